"""Cases and seeds drawn anew, in the same way for every number, so that what is compared stays paired.

Seeds and cases are crossed: the same cases are predicted under every seed. A draw therefore has two parts.

- Cases: each task's cases are drawn with replacement. The deviation of the drawn mean is stretched by
  √(n / χ²(n-1)), which gives a mean of n normal values the spread of Student's t instead of one that is too narrow:
  for 4 cases the bare bootstrap's 95 % interval covers 80 %.
- Seeds: there are too few to draw from (three seeds have ten resamples). Their deviations from their mean get normal
  weights over √(k χ²(k-1)), which is Student's t with k-1 degrees of freedom for the mean of k seeds.

The interaction of seed and case is in both parts, so intervals err on the wide side.

Source: crossed resampling as in Owen 2007 (the pigeonhole bootstrap); small samples as in Hesterberg 2015.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clbench.results.records import Replicate
from clbench.results.statistics import Array

DRAWS = 10_000
LEVEL = 0.95
"""Share of the draws that an interval holds."""


class Drawn(NamedTuple):
    """A mean over replicates and what it is in every draw."""

    values: Array
    """(1 + draws,): the mean itself, then the draws; NaN where cases can't be drawn or nothing was measured."""
    seeds: int
    """How many seeds it is taken over."""

    def ends(self) -> tuple[float, float]:
        """The central interval that holds ``LEVEL`` of the draws; NaN if there are none."""
        low, high = np.quantile(self.values[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)


class Cases:
    """One task's cases."""

    def __init__(self, task: str, names: Sequence[str], draws: int = DRAWS) -> None:
        """Draw; names alone decide what is drawn."""
        random, count = _generator("cases", task, *names), len(names)
        self.names = tuple(names)
        self._often, self._stretch = np.zeros((count, draws)), np.full(draws, np.nan)
        if count > 1:
            self._often += random.multinomial(count, [1 / count] * count, size=draws).T
            self._stretch = np.sqrt(count / random.chisquare(count - 1, draws))

    def array(self, values: Mapping[str, float]) -> Array:
        """Values by case as an array in the order of the names; NaN where a case has none."""
        return np.array([values.get(name, np.nan) for name in self.names])

    def means(self, values: Array) -> Array:
        """Means over cases, and what they are in every draw.

        Args:
            values: (…, cases); NaN where a case is undefined, which is left out of the mean.

        Returns:
            (…, 1 + draws); first the mean of the values as they are. All NaN without a value, and draws NaN
            with one, which says nothing about others.
        """
        there = ~np.isnan(values)
        known = np.where(there, values, 0.0)
        with np.errstate(invalid="ignore"):
            mean = known.sum(axis=-1, keepdims=True) / there.sum(axis=-1, keepdims=True)
            drawn = (known @ self._often) / self._counts(there)
        deviation = np.nan_to_num(drawn - mean) * self._stretch
        few = there.sum(axis=-1, keepdims=True) < 2
        return np.concatenate([mean, np.where(few, np.nan, mean + deviation)], axis=-1)

    def _counts(self, there: NDArray[np.bool_]) -> Array | float:
        """How many defined values every draw has, which is the number of cases where all are defined."""
        return float(len(self.names)) if there.all() else there.astype(np.float64) @ self._often


class Seeds:
    """The seeds of a benchmark, in random weights whose sum is zero."""

    def __init__(self, seeds: Sequence[int], draws: int = DRAWS) -> None:
        """Draw; the seeds alone decide what is drawn.

        Args:
            seeds: all seeds that were asked for.
            draws: how often.
        """
        random = _generator("seeds", *map(str, seeds))
        self._place = {seed: place for place, seed in enumerate(seeds)}
        self._normal = random.standard_normal((draws, len(seeds)))
        self._squares = random.standard_normal((draws, len(seeds))) ** 2
        self._weights: dict[tuple[int, ...], Array] = {}

    def over(self, replicates: Sequence[Replicate], values: Array) -> Drawn:
        """Mean over replicates, in every draw; the orders of one seed are averaged, for they share its chance.

        Args:
            replicates: what the values belong to.
            values: (replicates, 1 + draws), first the value itself; a replicate without one is left out.
        """
        there = ~np.isnan(values[:, 0])
        if not there.any():
            return Drawn(np.full(values.shape[1], np.nan), 0)
        by_seed: dict[int, list[float]] = {}
        for replicate, value in zip(replicates, values[:, 0], strict=True):
            if not np.isnan(value):
                by_seed.setdefault(replicate.seed, []).append(value)
        mean = values[there].mean(axis=0)
        mean[1:] += self._deviations({seed: float(np.mean(found)) for seed, found in by_seed.items()})
        return Drawn(mean, len(by_seed))

    def _deviations(self, by_seed: Mapping[int, float]) -> Array | float:
        """What other seeds would add to the mean: (draws,); nothing with one seed, which tells nothing of others."""
        if len(by_seed) < 2:
            return 0.0
        places = tuple(self._place[seed] for seed in by_seed)
        if places not in self._weights:
            self._weights[places] = self._weights_of(places)
        deviations: Array = self._weights[places] @ np.array(list(by_seed.values()))
        return deviations

    def _weights_of(self, places: tuple[int, ...]) -> Array:
        """(draws, seeds) for the seeds at these places; their own degrees of freedom."""
        normal, count = self._normal[:, places], len(places)
        scale = np.sqrt(count * self._squares[:, : count - 1].sum(axis=1, keepdims=True))
        weights: Array = (normal - normal.mean(axis=1, keepdims=True)) / scale
        return weights


class Resampling:
    """All cases and seeds of a benchmark."""

    def __init__(self, cases: Mapping[str, Sequence[str]], seeds: Sequence[int], draws: int = DRAWS) -> None:
        """Draw.

        Args:
            cases: the cases of every task.
            seeds: all seeds that were asked for.
            draws: how often.
        """
        self.cases = {task: Cases(task, names, draws) for task, names in cases.items()}
        self.seeds = Seeds(seeds, draws)


def _generator(*words: str) -> np.random.Generator:
    digest = hashlib.sha256("\0".join(words).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
