"""What a check concludes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["pass", "FAIL", "not claimed", "not reached"]
"""``not claimed``: the method does not promise it. ``not reached``: what it needs failed in an earlier check."""


@dataclass(frozen=True)
class Verdict:
    """An outcome, and in words what was seen."""

    outcome: Outcome
    words: str

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.outcome in ("pass", "not claimed")


def passes(words: str) -> Verdict:
    """What was promised is so."""
    return Verdict("pass", words)


def fails(words: str) -> Verdict:
    """What was promised is not so."""
    return Verdict("FAIL", words)


def not_claimed(words: str) -> Verdict:
    """It was not promised."""
    return Verdict("not claimed", words)


class NotReached(Exception):
    """A training that a check needs has failed before."""
