"""How far a number lies from its reference by chance alone: paired differences over seeds, as normal values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy.special import stdtr, stdtrit

from clbench.results.stat import Interval

SURE = 0.95
"""One-sided confidence of a bound."""

NUMERICAL_ZERO = 1e-9
"""Differences of means, and their standard deviations, up to this are the rounding of sums."""


class Chance(NamedTuple):
    """The standard deviation of one seed's difference, and how well it is known."""

    sd: float
    """Of run less reference under one seed; 0 if all seeds agreed."""
    df: int
    """Its degrees of freedom: one less than the pairs that it was taken from."""


class Fall(NamedTuple):
    """A mean difference over seeds."""

    mean: float
    """Run less reference."""
    seeds: int
    """How many seeds it is a mean of, at least one."""
    chance: Chance
    """Of a single seed."""

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return self.chance.sd / math.sqrt(self.seeds)

    @property
    def p(self) -> float:
        """The chance of so large a fall or a larger one where nothing has changed.

        Without any spread it is certain: 0 for a fall of any size, 1 for none.
        """
        if self.error == 0:
            return 0.0 if self.mean < 0 else 1.0
        return float(stdtr(self.chance.df, self.mean / self.error))

    @property
    def bounds(self) -> Interval:
        """One-sided bounds at either end, each with 95 % confidence."""
        half = quantile(SURE, self.chance.df) * self.error
        return Interval(low=round(self.mean - half, 6), high=round(self.mean + half, 6), seeds=self.seeds)


def fall(differences: Sequence[float], known: Chance | None = None) -> Fall:
    """The mean of paired differences.

    Args:
        differences: run less reference, one for each seed; at least two, or one where the chance is known.
        known: of such differences from elsewhere; left out, it is estimated from these.
    """
    mean = math.fsum(differences) / len(differences)
    return Fall(mean, len(differences), known or _estimated(differences, mean))


def _estimated(differences: Sequence[float], mean: float) -> Chance:
    squares = math.fsum((value - mean) ** 2 for value in differences)
    df = len(differences) - 1
    sd = math.sqrt(squares / df)
    return Chance(0.0 if sd <= NUMERICAL_ZERO else sd, df)


def quantile(level: float, df: int) -> float:
    """Of Student's t."""
    return float(stdtrit(df, level))
