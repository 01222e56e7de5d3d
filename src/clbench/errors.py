"""Every error that clbench raises on purpose, each with the exit code it ends the program with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class ClbenchError(Exception):
    """An error whose message a user can act on; anything else that escapes is a bug."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a definition, and what would be right."""

    file: Path | None
    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        """Render as ``file:line: field: message``, leaving out what is unknown."""
        place = "" if self.file is None else f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return f"{place}{self.field}: {self.message}" if self.field else f"{place}{self.message}"


class DefinitionError(ClbenchError):
    """One or more problems in definitions; all of them are reported together."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class MissingEnvironment(ClbenchError):
    """Data, disk space or software that a run needs is not there."""

    exit_code = 4


class CorruptArtifact(MissingEnvironment):
    """A file in the store does not have the bytes that were recorded when it was written."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")
