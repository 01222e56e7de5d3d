"""Which numbers of a run can be compared with a reference, and their difference under every seed.

Cases are fixed: run and reference measure the same ones, so they are paired within a seed. What chance there is lies
between seeds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clbench.results.chance import NUMERICAL_ZERO
from clbench.results.matrix import case_dice, diagonal, full_mean, mean
from clbench.results.records import STAGED, BenchmarkInfo
from clbench.results.rows import Row
from clbench.results.scores import ByReplicate, by_place, by_replicate
from clbench.results.transfer import by_setting

Name = tuple[str, str]
"""Baseline and number."""

Sample = Mapping[int, Mapping[str, Mapping[str, float]]]
"""Seed → task → case → value, higher is better. The number is the mean over tasks of the mean over cases: of final
Dice it is ACC, of changes since a task's own stage it is BWT."""

Cells = Mapping[tuple[int, int, str], Mapping[str, float]]
"""Seed, order and task → case → value."""

END, OWN, TRANSFER = "at the end", "after its stage", "transfer from"
SCRATCH: Name = ("from-scratch", "ACC")
JOINTS: tuple[Name, ...] = (("joint", "ACC"), ("joint-equal", "ACC"))
"""The first that was run counts."""
SUITE: Name = ("suite", "mean ACC")
"""The mean over all continual baselines of their ACC."""


@dataclass(frozen=True)
class Number:
    """One number on both sides, under all of its names."""

    name: Name
    also: tuple[Name, ...]
    """Other names of the same measurements, such as a first stage that baselines share."""
    run: Sample
    """Empty where the run has no such number."""
    reference: Sample


def numbers(run: Mapping[Name, Sample], reference: Mapping[Name, Sample]) -> list[Number]:
    """Every number of the reference once, in its order.

    Two names are the same number where both run and reference have equal values under them, seed by seed and case by
    case.

    Args:
        run: what ``endpoints`` gives of a run.
        reference: what it gives of a reference.
    """
    groups: dict[object, list[Name]] = defaultdict(list)
    for name, sample in reference.items():
        groups[_fingerprint(run.get(name, {})), _fingerprint(sample)].append(name)
    return [Number(first, tuple(others), run.get(first, {}), reference[first]) for first, *others in groups.values()]


def endpoints(info: BenchmarkInfo, rows: Iterable[Row]) -> dict[Name, Sample]:
    """All numbers: the primary ones first, then by baseline its tasks and summaries, the ends of transfer last.

    Args:
        info: what was run.
        rows: what was measured.
    """
    found = samples(info, rows)
    return {**primaries(info, found), **found}


def primaries(info: BenchmarkInfo, found: Mapping[Name, Sample]) -> dict[Name, Sample]:
    """From-scratch ACC, joint ACC and the suite's mean, as far as the benchmark has them."""
    joint = next((name for name in JOINTS if name in found), SCRATCH)
    chosen = {name: found[name] for name in (SCRATCH, joint) if name in found}
    suite = _suite(info, found)
    return {**chosen, SUITE: suite} if suite else chosen


def differences(run: Sample, reference: Sample) -> dict[int, float]:
    """Run less reference by seed, ascending; a seed counts where both have every task.

    Values that cases of one side alone have are left out.
    """
    tasks = dict.fromkeys(task for sample in (reference, run) for by_task in sample.values() for task in by_task)
    found = {seed: _difference(run[seed], reference[seed], tasks) for seed in sorted(set(run) & set(reference))}
    return {
        seed: 0.0 if abs(value) <= NUMERICAL_ZERO else value for seed, value in found.items() if value is not None
    }


def samples(info: BenchmarkInfo, rows: Iterable[Row]) -> dict[Name, Sample]:
    """Every baseline's tasks at the end and after their stage, ACC, LA and BWT, and the ends of transfer."""
    kept = tuple(rows)
    places = by_place(kept)
    found: dict[Name, Sample] = {}
    for entry in info.baselines:
        own = _numbers(by_replicate(info, entry, places), staged=entry.protocol in STAGED)
        found |= {(entry.name, number): sample for number, sample in own.items() if sample}
    return {**found, **dict(_transfers(info, kept))}


def continual(info: BenchmarkInfo) -> list[Name]:
    """The ACC of every baseline that learns one task after another, bounds left out."""
    return [(entry.name, "ACC") for entry in info.baselines if entry.protocol == "continual"]


def _fingerprint(sample: Sample) -> object:
    return tuple(
        (seed, task, case, value)
        for seed, by_task in sorted(sample.items())
        for task, cases in sorted(by_task.items())
        for case, value in sorted(cases.items())
    )


def _difference(
    run: Mapping[str, Mapping[str, float]], reference: Mapping[str, Mapping[str, float]], tasks: Iterable[str]
) -> float | None:
    def of_task(mine: Mapping[str, float], theirs: Mapping[str, float]) -> float | None:
        return mean(mine[case] - theirs[case] for case in theirs if case in mine)

    return full_mean([of_task(run.get(task, {}), reference.get(task, {})) for task in tasks])


def _suite(info: BenchmarkInfo, found: Mapping[Name, Sample]) -> Sample:
    """Its tasks are those of all baselines, so that a seed that lacks one of them has no mean."""
    parts = [(name, found[name]) for name in continual(info) if name in found]
    if len(parts) == 1:
        return parts[0][1]
    seeds = dict.fromkeys(seed for _, sample in parts for seed in sample)
    return {
        seed: {
            f"{baseline}: {task}": cases
            for (baseline, _), sample in parts
            for task, cases in sample.get(seed, {}).items()
        }
        for seed in seeds
    }


def _transfers(info: BenchmarkInfo, rows: Sequence[Row]) -> Iterator[tuple[Name, Sample]]:
    """Every learning curve on a held-out task at its last epoch; a seed that stops before it has no value."""
    for (target, fraction), curves in sorted(by_setting(rows, info.targets).items()):
        number = f"{target} {END}" + ("" if fraction == 1 else f", {100 * fraction:.6g}% of the cases")
        for name in dict.fromkeys(name for name, _ in sorted(curves)):
            by_seed = {seed: curve for (other, seed), curve in sorted(curves.items()) if other == name}
            last = max(epoch for curve in by_seed.values() for epoch in curve)
            ends = {seed: {target: case_dice(curve[last])} for seed, curve in by_seed.items() if last in curve}
            yield (f"{TRANSFER} {name}", number), ends


def _numbers(scores: ByReplicate, staged: bool) -> dict[str, Sample]:
    """The numbers of one baseline; ``staged`` if it learns one task after another."""
    end = _cells(scores, lambda matrix: matrix[-1])
    found = {f"{task} {END}": _only(end, task) for task in _tasks(end)} | {"ACC": _by_seed(end)}
    if not staged:
        return found
    own, early = _cells(scores, diagonal), _cells(scores, lambda matrix: diagonal(matrix)[:-1])
    found |= {f"{task} {OWN}": _only(own, task) for task in _tasks(own)}
    return {**found, "LA": _by_seed(own), "BWT": _by_seed(_changes(end, early))}


def _cells(scores: ByReplicate, line: Callable[[Sequence[Any]], Sequence[Any]]) -> Cells:
    """Dice of each case by seed, order and task, from one line of the matrix; what was not measured is left out."""
    return {
        (pair.seed, pair.order, task): cases
        for pair, one in scores.items()
        for task, cases, undefined in zip(one.tasks, line(one.cases), line(one.excluded), strict=False)
        if cases or undefined
    }


def _tasks(cells: Cells) -> list[str]:
    return list(dict.fromkeys(task for _, _, task in cells))


def _only(cells: Cells, task: str) -> Sample:
    return _by_seed({key: cases for key, cases in cells.items() if key[2] == task})


def _changes(end: Cells, early: Cells) -> Cells:
    """What every case of an earlier task gained or, negative, lost since its own stage."""
    return {
        key: {case: value - early[key][case] for case, value in end[key].items() if case in early[key]}
        for key in early
        if key in end
    }


def _by_seed(cells: Cells) -> Sample:
    """Each order's tasks count as tasks of their own, so that a seed that lacks an order has no value."""
    found: dict[int, dict[str, Mapping[str, float]]] = defaultdict(dict)
    for (seed, order, task), cases in cells.items():
        found[seed][task if order == 1 else f"{task} in order {order}"] = cases
    return dict(found)
