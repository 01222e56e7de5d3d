"""Numbers that nothing is decided by: how far each lies from its reference, and how far it would have to.

A margin is the fall that so many seeds would find in nine of ten cases, at the level of a primary end point: the
quantiles of Student's t for that level and that power, times the standard error from the reference's spread. (The sum
of the two is the usual approximation; with a spread of 20 seeds the exact power is .89.)
"""

from __future__ import annotations

import math
from collections.abc import Collection

from clbench.results.chance import Chance, quantile
from clbench.results.endpoints import Name, Number, differences
from clbench.results.gate import ALPHA, ENOUGH_SEEDS, EndPoint, decide
from clbench.results.spread import Spread
from clbench.results.stat import Model

LEVEL = 1 - ALPHA / 3
"""That of one of three primary end points."""
POWER = 0.9


class Described(Model):
    """A number that no verdict depends on."""

    baseline: str
    """Whose it is."""
    number: str
    """Which: a task and when, or a summary over all tasks."""
    also: tuple[Name, ...]
    """Baseline and number of other names of the same measurements."""
    seeds: int
    """How many seeds it is compared under."""
    difference: float
    """Run less reference, mean over these seeds."""
    margin: float | None
    """The fall that so many seeds find; None where the reference has no spread of it."""
    look: str
    """Of a method's ACC: what its sequential test says, at an error rate of its own; else empty."""
    fallen: bool
    """Whether it fell by more than its margin, or the sequential test says so."""


def margin(chance: Chance, seeds: int) -> float:
    """The fall of a mean over seeds that is found in nine of ten cases."""
    return (quantile(LEVEL, chance.df) + quantile(POWER, chance.df)) * chance.sd / math.sqrt(seeds)


def describe(number: Number, spread: Spread | None, sequential: Collection[Name]) -> Described | None:
    """What there is to say of one number; None where run and reference have no seed of it in common.

    Args:
        number: of both sides.
        spread: of the reference.
        sequential: names of the numbers that are looked at after some numbers of seeds.
    """
    apart = tuple(differences(number.run, number.reference).values())
    if not apart:
        return None
    names = (number.name, *number.also)
    chance = spread.chance(names) if spread else None
    difference, bound = math.fsum(apart) / len(apart), margin(chance, len(apart)) if chance else None
    tested = len(apart) >= ENOUGH_SEEDS and not set(names).isdisjoint(sequential)
    [decision] = decide([EndPoint(apart, chance, sequential=True)]) if tested else [None]
    return Described(
        baseline=number.name[0], number=number.name[1], also=number.also, seeds=len(apart), difference=difference,
        margin=bound, look=decision.reason if decision else "",
        fallen=bool((bound and difference < -bound) or (decision and decision.verdict == "drifted")),
    )  # fmt: skip
