"""What is known of files, so that nothing is read twice that did not change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clbench.disk import writing_to
from clbench.errors import CorruptArtifact
from clbench.store import digest, read_sealed, write_sealed

FORMAT = 2
"""Counts up whenever other things are looked at, so that what is remembered is not mixed."""


@dataclass(frozen=True)
class Memory:
    """What is known of files, by their paths, sizes and times of change.

    Attributes:
        folder: one small JSON file for each thing that is known.
    """

    folder: Path

    def _file(self, files: Sequence[Path], what: str) -> Path:
        stats = [(str(path), (stat := path.stat()).st_size, stat.st_mtime_ns) for path in files]
        key = digest([FORMAT, what, stats])
        return self.folder / key[:2] / f"{key}.json"

    def recall(self, files: Sequence[Path], what: str = "case") -> Any:
        """What was kept about these files; None if nothing, or if one of them changed."""
        try:
            return read_sealed(self._file(files, what))["known"]
        except (OSError, CorruptArtifact, KeyError):
            return None

    def keep(self, files: Sequence[Path], value: object, what: str = "case") -> None:
        """Remember something about files."""
        file = self._file(files, what)
        with writing_to(file):
            write_sealed(file, {"known": value})
