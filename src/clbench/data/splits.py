"""Which cases a task trains on and which it is measured on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clbench.definitions.sections import Sample, trained_on

Indices = tuple[int, ...]


@dataclass(frozen=True)
class Split:
    """A task's cases by what they are for.

    Attributes:
        train: ids of the training cases, sorted.
        val: ids of the cases that are reported, sorted.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]


def split_cases(task: str, ids: Sequence[str], sample: Sample) -> Split:
    """Divide a task's cases: as the definition lists them, or by its rule.

    Args:
        task: the task's name, under which the definition may list ids.
        ids: all of the task's case ids, sorted; where the definition lists ids, they are among these.
        sample: checked with the definition.
    """
    if listed := sample.listed(task):
        return Split(tuple(sorted(listed.train)), tuple(sorted(listed.val)))
    train, val = sample_indices(len(ids), sample)
    return Split(tuple(ids[place] for place in train), tuple(ids[place] for place in val))


def sample_indices(cases: int, sample: Sample) -> tuple[Indices, Indices]:
    """Training and validation cases: ascending places among a task's sorted case ids.

    Each pool is drawn from by a generator of its own, so that one draw does not depend on the other's size, and
    a smaller sample is part of a larger one.

    Args:
        cases: how many cases the task has.
        sample: pools, numbers and the seed of the draw; checked with the definition.
    """
    train, val = sample.pools(cases)
    return _drawn(train, sample.train, sample.seed), _drawn(val, sample.val, sample.seed)


def _drawn(pool: range, count: int | None, seed: int | None) -> Indices:
    """Draw ``count`` of a pool without replacement; all of it needs no seed."""
    if count is None or count >= len(pool):
        return tuple(pool)
    order = np.random.default_rng(seed).permutation(pool)
    return tuple(sorted(int(place) for place in order[:count]))


def inner_split(cases: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Training cases divided into those that are trained on and the last fifth, which chooses among models."""
    trained = trained_on(len(cases))
    return cases[:trained], cases[trained:]


def training_cases(cases: tuple[str, ...], fraction: float, seed: int) -> tuple[str, ...]:
    """The share of a task's training cases that a stage uses, drawn by the run's seed; a larger share contains
    a smaller one."""
    if fraction == 1.0:
        return cases
    order = np.random.default_rng([seed, 4]).permutation(len(cases))
    return tuple(sorted(cases[i] for i in order[: max(1, math.ceil(fraction * len(cases)))]))
