"""Which cases a task trains on and which it is measured on."""

from __future__ import annotations

import math

import numpy as np

from clbench.definitions.sections import Sample

Indices = tuple[int, ...]


def sample_indices(cases: int, sample: Sample) -> tuple[Indices, Indices]:
    """Training and validation cases: ascending places among a task's sorted case ids.

    Each pool is drawn from by a generator of its own, so that one draw does not depend on the other's size, and
    a smaller sample is part of a larger one.

    Args:
        cases: how many cases the task has.
        sample: pools, numbers and the seed of the draw; checked with the definition.
    """
    train, val = sample.pools(cases)
    train_count, val_count = sample.counts(cases)
    return _drawn(train, train_count, sample.seed), _drawn(val, val_count, sample.seed)


def _drawn(pool: range, count: int, seed: int | None) -> Indices:
    """Draw ``count`` of a pool without replacement; all of it needs no seed."""
    if count == len(pool):
        return tuple(pool)
    order = np.random.default_rng(seed).permutation(pool)
    return tuple(sorted(int(place) for place in order[:count]))


def training_cases(cases: tuple[str, ...], fraction: float, seed: int) -> tuple[str, ...]:
    """The share of a task's training cases that a stage uses, drawn by the run's seed; a larger share contains
    a smaller one."""
    if fraction == 1.0:
        return cases
    order = np.random.default_rng([seed, 4]).permutation(len(cases))
    return tuple(sorted(cases[i] for i in order[: max(1, math.ceil(fraction * len(cases)))]))
