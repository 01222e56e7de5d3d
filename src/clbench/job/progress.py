"""What a job tells those who watch it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from clbench.job.stopping import stop_if_asked
from clbench.store import JobFolder


@dataclass
class Progress:
    """How far a job is, in units of its own."""

    folder: JobFolder
    of: int
    done: int = 0

    def advance(self, doing: str, by: int = 1) -> None:
        """Count on, and say what is being done."""
        self.at(doing, self.done + by)

    def at(self, doing: str, done: int) -> None:
        """Set the count. Not synced to disk: it is for eyes only.

        Raises:
            Stopped: the job was asked to stop, and this is a point from which it can go on.
        """
        self.done = done
        temporary = self.folder.progress.with_suffix(".tmp")
        temporary.write_text(json.dumps({"done": done, "of": self.of, "doing": doing}))
        os.replace(temporary, self.folder.progress)
        stop_if_asked(doing)
