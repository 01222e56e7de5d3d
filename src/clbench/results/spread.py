"""How far two runs of the same seeds lie apart that differ in arithmetic alone: what chance does to a number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from pydantic import Field

from clbench.definitions.base import Name as BenchmarkName
from clbench.results.chance import Chance, fall
from clbench.results.endpoints import Name, Number, Sample, differences, numbers
from clbench.results.stat import Model


class NumberSpread(Model):
    """One number's paired differences between two runs."""

    names: tuple[Name, ...]
    """Baseline and number; further names of the same measurements behind."""
    sd: float = Field(gt=0, allow_inf_nan=False)
    """Sample standard deviation of the difference under one seed (n - 1)."""
    seeds: int = Field(ge=2)
    """Under how many seeds both runs have the number."""


class Spread(Model):
    """What is kept of two runs beside a reference."""

    benchmark: BenchmarkName
    """What both ran."""
    version: int
    """Its version."""
    seeds: tuple[int, ...]
    """The seeds of both."""
    numbers: tuple[NumberSpread, ...]
    """Every number that differs between them, once."""
    primaries: tuple[Name, ...]
    """The primary end points."""
    covariance: tuple[tuple[float, ...], ...]
    """Of their paired differences under one seed."""
    provenance: dict[str, Any] = Field(default_factory=dict)
    """Of the other run; that of the reference is in its summary."""

    def chance(self, names: Iterable[Name]) -> Chance | None:
        """Of a number by any of its names; None where nothing is known of it."""
        wanted = set(names)
        found = next((one for one in self.numbers if not wanted.isdisjoint(one.names)), None)
        return None if found is None else Chance(found.sd, found.seeds - 1)


def number_spreads(run: Mapping[Name, Sample], other: Mapping[Name, Sample]) -> tuple[NumberSpread, ...]:
    """The spread of every number that both runs have under two seeds or more and that does not always agree."""
    found = (_spread(number) for number in numbers(other, run))
    return tuple(one for one in found if one)


def covariance(
    run: Mapping[Name, Sample], other: Mapping[Name, Sample], names: Iterable[Name]
) -> tuple[tuple[float, ...], ...]:
    """Sample covariance (n - 1) of paired differences, over the seeds under which both runs have all of the numbers.

    Args:
        run: numbers of one run.
        other: numbers of the other run.
        names: which of them; rows and columns of the result.
    """
    apart = [differences(run.get(name, {}), other.get(name, {})) for name in names]
    seeds = sorted(set.intersection(*map(set, apart))) if apart else []
    if len(seeds) < 2:
        return ()
    values = np.array([[one[seed] for seed in seeds] for one in apart])
    return tuple(tuple(map(float, line)) for line in np.atleast_2d(np.cov(values)))


def _spread(number: Number) -> NumberSpread | None:
    apart = [*differences(number.run, number.reference).values()]
    if len(apart) < 2 or (chance := fall(apart).chance).sd == 0:
        return None
    return NumberSpread(names=(number.name, *number.also), sd=chance.sd, seeds=len(apart))
