"""Whether a run is no worse than a reference, by a margin that was set beforehand."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Literal

import numpy as np

from clbench.results.records import Replicate
from clbench.results.resampling import DRAWS, Cases, Drawn, Seeds
from clbench.results.stat import Interval, Model
from clbench.results.statistics import Array

Sample = Mapping[int, Mapping[str, Mapping[str, float]]]
"""Seed → task → case → value, higher is better. The number that is judged is the mean over seeds of the mean over
tasks of the mean over cases: of final Dice it is ACC, of changes since a task's own stage it is BWT."""

ENOUGH_SEEDS = 3
BOTH_SIDES = 0.90
"""One-sided 95 % at either end."""


class Verdict(Model):
    """What became of a reference's number in a run."""

    verdict: Literal["reproduced", "drifted", "inconclusive"]
    """Reproduced: surely not below the reference by the margin. Drifted: surely below it, by more than the margin."""
    difference: float | None
    """Run less reference, over the seeds that were compared; None where nothing could be."""
    interval: Interval | None
    """Its ends are one-sided 95 % bounds; None where no interval can be given."""
    margin: float
    """How much lower a run may be."""
    reason: str
    """One sentence."""


def non_inferior(run: Sample, reference: Sample, margin: float, draws: int = DRAWS) -> Verdict:
    """Test a run against a reference, over seeds and cases.

    Cases are paired. Seeds are paired where at least three are the same; otherwise each side's are drawn alone.

    Args:
        run: its values.
        reference: the reference's values of the same cases.
        margin: the fall that still counts as reproduced, above 0.
        draws: how often seeds and cases are drawn.

    Raises:
        ValueError: the margin is not a positive number.
    """
    if not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"the margin is {margin}; it must be a positive number")
    cases = _common_cases(run, reference)
    if missing := [task for task, names in cases.items() if len(names) < 2]:
        return _undecided(margin, f"run and reference share fewer than two cases of {', '.join(missing)}")
    if not cases:
        return _undecided(margin, "there is nothing to compare")
    if (fewest := min(len(run), len(reference))) < ENOUGH_SEEDS:
        return _undecided(margin, f"{fewest} of the {ENOUGH_SEEDS} seeds that a verdict needs on either side")
    return _judged(_difference(run, reference, cases, draws), margin)


def _judged(drawn: Drawn, margin: float) -> Verdict:
    difference, (low, high) = float(drawn.values[0]), drawn.ends(BOTH_SIDES)
    if drawn.seeds < ENOUGH_SEEDS:
        return _undecided(margin, f"every task has values under {drawn.seeds} seeds only, of {ENOUGH_SEEDS} needed")
    if not math.isfinite(low):
        return _undecided(margin, "a task has fewer than two cases under some seed")
    found = Interval(low=round(low, 6), high=round(high, 6), seeds=drawn.seeds)
    if low > -margin:
        verdict, reason = "reproduced", f"the fall is surely below the margin: at most {max(0.0, -low):.3f}"
    elif high < 0 and difference < -margin:
        verdict, reason = "drifted", f"it surely fell, by {-difference:.3f}, which is more than the margin"
    else:
        reason = f"a fall by the margin is neither shown nor excluded over {drawn.seeds} seeds"
        verdict = "inconclusive"
    return Verdict.model_validate(
        {"verdict": verdict, "difference": difference, "interval": found, "margin": margin, "reason": reason}
    )


def _undecided(margin: float, reason: str) -> Verdict:
    return Verdict(verdict="inconclusive", difference=None, interval=None, margin=margin, reason=reason)


def _common_cases(run: Sample, reference: Sample) -> dict[str, list[str]]:
    """The cases of every task of either side that both have."""
    tasks = dict.fromkeys(task for sample in (reference, run) for by_task in sample.values() for task in by_task)
    return {task: sorted(_cases(run, task) & _cases(reference, task)) for task in tasks}


def _cases(sample: Sample, task: str) -> set[str]:
    return {case for by_task in sample.values() for case in by_task.get(task, {})}


def _difference(run: Sample, reference: Sample, cases: Mapping[str, Collection[str]], draws: int) -> Drawn:
    drawn = [_cases_of(task, tuple(names), draws) for task, names in cases.items()]
    shared = [seed for seed in run if seed in reference]
    if len(shared) >= ENOUGH_SEEDS:
        difference = _means(run, shared, drawn, list(cases)) - _means(reference, shared, drawn, list(cases))
        return _over(shared, difference, draws)
    of_run = _over(list(run), _means(run, list(run), drawn, list(cases)), draws)
    of_reference = _over(list(reference), _means(reference, list(reference), drawn, list(cases)), draws)
    return Drawn(of_run.values - of_reference.values, min(of_run.seeds, of_reference.seeds))


def _means(sample: Sample, seeds: Collection[int], cases: Collection[Cases], tasks: Collection[str]) -> Array:
    """Mean over tasks under every seed, in every draw: (seeds, 1 + draws)."""
    means = [
        one.means(np.stack([one.array(sample[seed].get(task, {})) for seed in seeds]))
        for task, one in zip(tasks, cases, strict=True)
    ]
    mean: Array = np.mean(means, axis=0)
    return mean


def _over(seeds: Collection[int], values: Array, draws: int) -> Drawn:
    return _seeds_of(tuple(seeds), draws).over([Replicate(seed, 1) for seed in seeds], values)


# One comparison asks for the same cases and seeds in every cell of its table.
@lru_cache(maxsize=16)
def _cases_of(task: str, names: tuple[str, ...], draws: int) -> Cases:
    return Cases(task, names, draws)


@lru_cache(maxsize=4)
def _seeds_of(seeds: tuple[int, ...], draws: int) -> Seeds:
    return Seeds(seeds, draws)
