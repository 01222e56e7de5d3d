"""Which primary end points of a run fell below its reference, with one error rate for all of them together.

- An end point has one test, the paired t over all common seeds.
- One that needs many seeds is sequential: it is looked at after 3, 5, 8, 12 and 20 of them (``looks.LOOKS``).

The error rate is shared by Bonferroni: every end point may use an equal part of it, and what a sequential one leaves
at its look goes to the others. So one comparison calls an unchanged run drifted with a chance of at most ALPHA.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from clbench.results.chance import Chance, Fall, fall
from clbench.results.looks import LOOKS, levels, look_at
from clbench.results.stat import Interval

ALPHA = 0.01
"""The chance that an unchanged run is called drifted."""
MARGIN = 0.05
"""The fall of a mean Dice that *reproduced* excludes, if nothing else is asked for."""
ENOUGH_SEEDS = 3


@dataclass(frozen=True)
class EndPoint:
    """What is to be decided on."""

    differences: tuple[float, ...]
    """Run less reference under each common seed, seeds ascending."""
    chance: Chance | None = None
    """Of one seed's difference, from the reference's spread; None to estimate it from the differences."""
    sequential: bool = False
    """Whether it is looked at after ``looks.LOOKS`` seeds, instead of once."""


class Decision(NamedTuple):
    """What can be said of one end point."""

    verdict: Literal["reproduced", "drifted", "not judged"]
    """Drifted: it fell beyond chance. Reproduced: a fall by the margin is excluded. Not judged: neither."""
    difference: float | None
    """Run less reference, over the seeds that were looked at."""
    interval: Interval | None
    """One-sided 95 % bounds at either end."""
    reason: str
    """One sentence."""


def decide(points: Sequence[EndPoint], margin: float = MARGIN, alpha: float = ALPHA) -> list[Decision]:
    """Judge a family of end points.

    Args:
        points: all of the family.
        margin: the fall that *reproduced* excludes, above 0.
        alpha: the chance that any of them drifts where nothing has changed, for these numbers of seeds.

    Raises:
        ValueError: the margin is not a positive number.
    """
    if not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"the margin is {margin}; it must be a positive number")
    return [_decision(point, level, margin) for point, level in zip(points, shared(points, alpha), strict=True)]


def shared(points: Sequence[EndPoint], alpha: float = ALPHA) -> list[float]:
    """The significance level of every end point; together they use up ``alpha`` or less."""
    own = alpha / max(1, len(points))
    found = [_look_level(len(point.differences), own) if point.sequential else None for point in points]
    rest = (alpha - sum(level or 0.0 for level in found)) / max(1, found.count(None))
    return [rest if level is None else level for level in found]


def _look_level(seeds: int, alpha: float) -> float:
    """Of the last look that so many seeds allow; 0 before the first."""
    look = look_at(seeds)
    return 0.0 if look is None else levels(alpha)[look]


def _decision(point: EndPoint, level: float, margin: float) -> Decision:
    if (seeds := len(point.differences)) < ENOUGH_SEEDS:
        return Decision("not judged", None, None, f"{_counted(seeds)} in common; {ENOUGH_SEEDS} are needed")
    found = _fall(point)
    bounds = found.bounds
    if found.p <= level:
        return Decision("drifted", found.mean, bounds, f"it fell beyond chance: p {found.p:.2g}, limit {level:.2g}")
    seen = _counted(found.seeds)
    if bounds.low > -margin:
        return Decision("reproduced", found.mean, bounds, f"{seen} exclude a fall by {margin:g}")
    reason = f"{seen} neither show a fall nor exclude one by {margin:g}; {_next(point, found.seeds)}"
    return Decision("not judged", found.mean, bounds, reason)


def _fall(point: EndPoint) -> Fall:
    """With the first seeds alone, as many as a look has: seeds between two looks make no further look."""
    look = look_at(len(point.differences)) if point.sequential else None
    used = point.differences if look is None else point.differences[: LOOKS[look]]
    return fall(used, point.chance)


def _next(point: EndPoint, seeds: int) -> str:
    """What would decide it."""
    later = [wanted for wanted in LOOKS if wanted > seeds] if point.sequential else []
    if later:
        return f"the next look is at {later[0]}"
    return "that was the last look" if point.sequential else "more seeds would"


def _counted(seeds: int) -> str:
    return f"{seeds or 'no'} seed{'s' * (seeds != 1)}"
