"""Which cases a task trains on and which it is measured on."""

from __future__ import annotations

from typing import Literal

from clbench.errors import DefinitionError, Problem

Split = Literal["last-fifth", "inner-fifth"]
Indices = tuple[int, ...]


def pools(cases: int, split: Split) -> tuple[Indices, Indices]:
    """Training and validation pool of a task's cases, by their place in sorted order.

    ``last-fifth``: the first four fifths (rounded down) train, the rest validate. ``inner-fifth``: the same
    rule once more inside the training pool, so that the cases that benchmarks report on are never touched.
    """
    indices = tuple(range(cases))
    for _ in range(2 if split == "inner-fifth" else 1):
        edge = int(0.8 * len(indices))
        indices, rest = indices[:edge], indices[edge:]
    return indices, rest


def sample_indices(
    cases: int,
    *,
    train: int | None = None,
    val: int | None = None,
    seed: int | None = None,
    split: Split = "last-fifth",
) -> tuple[Indices, Indices]:
    """Training and validation cases: ascending places among the task's sorted case ids.

    Args:
        cases: how many cases the task has.
        train: how many of the training pool are drawn; ``None`` takes all.
        val: how many of the validation pool are drawn; ``None`` takes all.
        seed: seed of the draw, required where a number is drawn; each pool has its own generator, so one does
            not depend on the other's size, and a smaller sample is part of a larger one.
        split: how the pools are made.

    Raises:
        DefinitionError: a pool is too small or empty, or the seed is missing.
    """
    training, validation = pools(cases, split)
    return _drawn(training, train, seed, "train"), _drawn(validation, val, seed, "val")


def _drawn(pool: Indices, count: int | None, seed: int | None, name: str) -> Indices:
    """Draw ``count`` of a pool without replacement."""
    import numpy as np

    if problem := _problem(pool, count, seed, name):
        raise DefinitionError([problem])
    if count is None:
        return pool
    return tuple(sorted(int(place) for place in np.random.default_rng(seed).permutation(pool)[:count]))


def _problem(pool: Indices, count: int | None, seed: int | None, name: str) -> Problem | None:
    """Why a pool cannot be drawn from, if it cannot."""
    if not pool:
        return Problem(None, None, f"sample.{name}", "the task has too few cases: this pool is empty")
    if count is not None and not 1 <= count <= len(pool):
        return Problem(None, None, f"sample.{name}", f"asks for {count} cases; write 1 to {len(pool)}")
    if count is not None and seed is None:
        return Problem(None, None, "sample.seed", f"is missing; drawing {count} cases needs one")
    return None
