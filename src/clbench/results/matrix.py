"""From rows to the stage-by-task matrix: R[i][j] is what task j scores after stage i."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from clbench.results.rows import Row

Vector = tuple[float | None, ...]
"""One number per task; None is a hole: nothing was measured."""
Matrix = tuple[Vector, ...]
"""One vector per stage."""

T = TypeVar("T")
K = TypeVar("K")


def dice(rows: Sequence[Row]) -> float | None:
    """Mean over cases of each case's mean over labels; undefined values are left out, None if all are."""
    return mean(case_dice(rows).values())


def case_dice(rows: Sequence[Row]) -> dict[str, float]:
    """Each case's mean over labels; a case that is undefined everywhere is left out."""
    return {case: math.fsum(values) / len(values) for case, values in values_by_case(rows, "dice").items()}


def predicted_ml(rows: Sequence[Row]) -> float | None:
    """Mean over cases of the predicted foreground volume in ml, all labels of a case together."""
    return _volume(rows, "predicted_ml")


def reference_ml(rows: Sequence[Row]) -> float | None:
    """Mean over cases of the reference's foreground volume in ml, all labels of a case together."""
    return _volume(rows, "reference_ml")


def excluded(rows: Sequence[Row]) -> int:
    """How many pairs of case and label have no Dice because reference and prediction are both empty."""
    return sum(row.metric == "dice" and row.value is None for row in rows)


def stage_matrix(
    rows: Iterable[Row], sequence: Sequence[str], measure: Callable[[Sequence[Row]], T]
) -> tuple[tuple[T, ...], ...]:
    """The measure of every task after every stage of one sequence under one seed.

    Args:
        rows: the rows of one baseline, one seed and one order; any cases, any labels.
        sequence: the tasks in the order in which they are learnt.
        measure: what is made of one stage's rows of one task: ``case_dice``, ``predicted_ml`` or ``excluded``.

    Returns:
        One tuple per stage, in it one entry per task; the measure of no rows where nothing was measured.
    """
    cells = _cells(rows)
    stages = range(1, len(sequence) + 1)
    return tuple(tuple(measure(cells.get((stage, task), ())) for task in sequence) for stage in stages)


def task_vector(rows: Iterable[Row], sequence: Sequence[str], measure: Callable[[Sequence[Row]], T]) -> tuple[T, ...]:
    """The measure of every task, for rows whose stages say nothing (from-scratch and joint)."""
    found = _group(_at_last_epoch(rows), lambda row: row.task)
    return tuple(measure(found.get(task, ())) for task in sequence)


def diagonal(matrix: Sequence[Sequence[T]]) -> tuple[T, ...]:
    """R[j][j]: each task right after it was learnt."""
    return tuple(matrix[index][index] for index in range(len(matrix)))


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of what is there, None if nothing is; summed exactly, so the order of the values is no matter."""
    present = [value for value in values if value is not None]
    return math.fsum(present) / len(present) if present else None


def full_mean(values: Sequence[float | None]) -> float | None:
    """Mean of the values, None if there is none or one of them is a hole."""
    return None if None in values else mean(values)


def _cells(rows: Iterable[Row]) -> dict[tuple[int, str], list[Row]]:
    return _group(_at_last_epoch(rows), lambda row: (row.stage, row.task))


def _at_last_epoch(rows: Iterable[Row]) -> list[Row]:
    """A training that was measured on its way counts as it ended."""
    trainings = _group(rows, lambda row: (row.stage, row.trained_on))
    kept: list[Row] = []
    for training in trainings.values():
        last = max(row.epoch for row in training)
        kept.extend(row for row in training if row.epoch == last)
    return kept


def values_by_case(rows: Sequence[Row], metric: str) -> dict[str, list[float]]:
    """What was measured of each case, label by label; what is undefined is left out."""
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.metric == metric and row.value is not None:
            values[row.case].append(row.value)
    return values


def _volume(rows: Sequence[Row], metric: str) -> float | None:
    return mean([math.fsum(values) for values in values_by_case(rows, metric).values()])


def _group(rows: Iterable[Row], key: Callable[[Row], K]) -> dict[K, list[Row]]:
    groups: dict[K, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups
