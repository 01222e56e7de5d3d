"""What is wrong with cases, each with its file, collected until all of it is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clbench.errors import MissingEnvironment

LISTED = 20
"""Problems, cases or values that are listed one by one; of the others the number is said."""


def shortened(values: Iterable[object], most: int = LISTED) -> str:
    """Values one after another, the first ones of many and the number of the others."""
    texts = list(map(str, values))
    rest = len(texts) - most
    return ", ".join(texts if rest <= 0 else [*texts[:most], f"and {rest} more"])


def shortened_list(values: Sequence[object], most: int = LISTED) -> list[str]:
    """Lines, the first ones of many and then one with the number of the others."""
    rest = len(values) - most
    return [*map(str, values[:most]), *([f"… and {rest} more"] if rest > 0 else [])]


@dataclass(frozen=True)
class CaseProblem:
    """One thing that is wrong with a dataset.

    Attributes:
        case: the case's id; empty where the whole dataset is meant.
        file: the file that is wrong, if it is one.
        message: what is wrong, and what would be right.
    """

    case: str
    file: Path | None
    message: str

    def __str__(self) -> str:
        """Render as ``case: file: message``, leaving out what is unknown."""
        return ": ".join([part for part in (self.case, str(self.file or "")) if part] + [self.message])


class CaseTwice(CaseProblem):
    """One more case of an id that another has."""


class BadData(MissingEnvironment):
    """Cases of a dataset can't be used; all of them are reported together."""

    def __init__(self, task: str, problems: Sequence[CaseProblem], kept: int) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  {line}" for line in shortened_list(problems))
        super().__init__(
            f"task {task}: {len(problems)} {'problem' if len(problems) == 1 else 'problems'} in its data\n{lines}\n"
            f"{kept} cases are whole and kept; once this is mended, the same command goes on with the rest"
        )
