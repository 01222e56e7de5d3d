"""What a run is doing at a moment, read from its files alone; and its processes, stopped or killed all at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PHASES = (
    "planning", "starting", "preparing", "beginning", "training", "checkpoint", "evaluating", "result", "reporting",
)  # fmt: skip
"""What a run can be at; side by side jobs are at several."""


@dataclass(frozen=True)
class Life:
    """One attempt at a run.

    Attributes:
        process: the command, leader of a process group.
        folder: has ``store`` and ``run``.
        jobs: how many jobs the run has.
        since: when it was started, in seconds since the epoch.
    """

    process: subprocess.Popen[str]
    folder: Path
    jobs: int
    since: float

    @property
    def phases(self) -> frozenset[str]:
        """What it is at: writing a file as long as that has its temporary name, else what its jobs say."""
        if not self._fresh(self.folder / "run" / "plan.json"):
            return frozenset({"planning"})
        found = {phase for job in self._folders for phase in self._at(job)}
        done = len(list(self.folder.glob("store/jobs/*/result.json")))
        return frozenset(found or {"reporting" if done == self.jobs else "starting"})

    @property
    def epochs(self) -> int:
        """How many epochs were trained, in this life and those before, as the jobs' logs say."""
        logs = [folder / "log.txt" for folder in self._folders]
        return sum(log.read_text().count("\nepoch ") for log in logs if log.exists())

    @property
    def _folders(self) -> Iterator[Path]:
        with suppress(FileNotFoundError):
            yield from (Path(e.path) for e in os.scandir(self.folder / "store" / "jobs") if e.is_dir())

    def _at(self, job: Path) -> Iterator[str]:
        for place in (job, job / "model" / "fold_0"):
            with suppress(FileNotFoundError):
                names = [entry.name for entry in os.scandir(place) if entry.name.endswith(".tmp")]
                fresh = [name for name in names if name.startswith(".") and self._fresh(place / name)]
                yield from ("checkpoint" if ".pth." in name else "result" for name in fresh)
        if self._fresh(job / "log.txt") and not (job / "result.json").exists():
            yield "preparing" if job.name.startswith("prepare") else self._doing(job / "progress.json")

    def _doing(self, progress: Path) -> str:
        if not self._fresh(progress):
            return "beginning"
        with suppress(OSError, ValueError):
            return "training" if json.loads(progress.read_bytes())["doing"].startswith("epoch") else "evaluating"
        return "beginning"

    def _fresh(self, path: Path) -> bool:
        with suppress(OSError):
            return path.stat().st_mtime >= self.since - 0.02  # file systems round to a tick of the kernel's clock
        return False

    def signal_all(self, number: int) -> None:
        """Send a signal to the command and to all that descends from it."""
        _send(number, self.process.pid, *descendants(self.process.pid))

    def kill(self, everything: bool) -> None:
        """SIGKILL the command's process group, or everything at once; what was stopped and survives goes on."""
        others = descendants(self.process.pid)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        _send(signal.SIGKILL if everything else signal.SIGCONT, *others)
        self.process.communicate()


def _send(number: int, *pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def descendants(pid: int) -> set[int]:
    """Children, their children and so on."""
    found: set[int] = set()
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            children = {int(word) for word in file.read_text().split()}
            found |= children.union(*map(descendants, children))
    return found
