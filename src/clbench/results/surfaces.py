"""Distances of surfaces at the end of every baseline, from rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from clbench.results.matrix import mean, stage_matrix, task_vector, values_by_case
from clbench.results.model import SurfaceReading
from clbench.results.records import STAGED, BaselineInfo, BenchmarkInfo, Replicate
from clbench.results.rows import Row
from clbench.results.scores import each_over_replicates

T = TypeVar("T")

SURFACE_METRICS = ("nsd", "hd95_mm")
"""The metrics of surfaces, as rows name them."""


def surface_readings(
    info: BenchmarkInfo, found: Mapping[tuple[str, Replicate], Sequence[Row]]
) -> tuple[SurfaceReading, ...]:
    """Every baseline's surfaces at the end; nothing where no row has a metric of them.

    Args:
        info: what was run.
        found: the rows of each baseline and replicate.
    """
    asked = {row.metric for rows in found.values() for row in rows}.intersection(SURFACE_METRICS)
    return tuple(_reading(info, entry, found, asked) for entry in info.baselines) if asked else ()


def one_empty(rows: Sequence[Row]) -> int:
    """How many pairs of case and label have an empty mask on one side alone."""
    pairs = {(row.case, row.label) for row in rows}
    volume = {(row.case, row.label, row.metric): row.value for row in rows if row.metric.endswith("_ml")}
    empty = [[volume.get((*pair, f"{side}_ml")) == 0 for side in ("predicted", "reference")] for pair in pairs]
    return sum(sides.count(True) == 1 for sides in empty)


def _reading(
    info: BenchmarkInfo, entry: BaselineInfo, found: Mapping[tuple[str, Replicate], Sequence[Row]], asked: set[str]
) -> SurfaceReading:
    replicates = [found.get((entry.name, pair), ()) for pair in info.replicates(entry.protocol)]
    stats = {
        metric: each_over_replicates([_at_the_end(info, entry, rows, _mean_of(metric)) for rows in replicates])
        for metric in sorted(asked)
    }
    counts = [_at_the_end(info, entry, rows, one_empty) for rows in replicates]
    return SurfaceReading(
        baseline=entry.name, nsd=stats.get("nsd", ()), hd95_mm=stats.get("hd95_mm", ()),
        one_empty=tuple(sum(column) for column in zip(*counts, strict=True)),
    )  # fmt: skip


def _at_the_end(
    info: BenchmarkInfo, entry: BaselineInfo, rows: Sequence[Row], measure: Callable[[Sequence[Row]], T]
) -> tuple[T, ...]:
    """The measure of every task with the last network; trained alone, with the task's own."""
    if entry.protocol in STAGED:
        return stage_matrix(rows, info.sequence, measure)[-1]
    own = entry.protocol == "from-scratch"
    return task_vector([row for row in rows if not own or row.trained_on == row.task], info.sequence, measure)


def _mean_of(metric: str) -> Callable[[Sequence[Row]], float | None]:
    """The mean over cases of each case's mean over labels."""

    def measure(rows: Sequence[Row]) -> float | None:
        return mean(math.fsum(values) / len(values) for values in values_by_case(rows, metric).values())

    return measure
