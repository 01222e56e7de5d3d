"""What each baseline reached in each replicate, and how replicates are put together."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

from clbench.results.continual import (
    average_accuracy,
    backward_transfer,
    forgetting,
    intransigence,
    learning_accuracy,
    plasticity,
)
from clbench.results.matrix import (
    Matrix,
    Vector,
    case_dice,
    diagonal,
    excluded,
    full_mean,
    mean,
    predicted_ml,
    stage_matrix,
    task_vector,
)
from clbench.results.model import Reading
from clbench.results.records import BaselineInfo, BenchmarkInfo, Replicate
from clbench.results.rows import Row
from clbench.results.stat import Stat

T = TypeVar("T")

CaseMatrix = tuple[tuple[Mapping[str, float], ...], ...]
"""Stages by tasks; in each entry, Dice by case."""


@dataclass(frozen=True)
class Scores:
    """One baseline in one replicate; without stages its matrices have one line."""

    tasks: tuple[str, ...]
    """The columns: the tasks in the order in which they were learnt."""
    cases: CaseMatrix
    """Dice of every case, stages by tasks."""
    predicted_ml: Matrix
    """Predicted volumes in ml, stages by tasks."""
    excluded: tuple[tuple[int, ...], ...]
    """Pairs of case and label without a Dice, stages by tasks."""

    @cached_property
    def dice(self) -> Matrix:
        """R, stages by tasks."""
        return tuple(tuple(mean(entry.values()) for entry in line) for line in self.cases)


ByReplicate = Mapping[Replicate, Scores]
"""Seed and order → what one baseline reached there."""


class Place(NamedTuple):
    """What one replicate of one baseline is filed under."""

    protocol: str
    baseline: str
    seed: int
    order: int


RowsByPlace = Mapping[Place, Sequence[Row]]


@dataclass(frozen=True)
class Snapshot:
    """All tasks at one point in time in one replicate, in the order that was asked for."""

    dice: Vector
    """Dice by task."""
    predicted_ml: Vector
    """Predicted volume in ml by task."""
    excluded: tuple[int, ...]
    """Pairs of case and label without a Dice, by task."""


def staged_scores(rows: Sequence[Row], sequence: tuple[str, ...]) -> Scores:
    """Scores of a baseline that learns the sequence stage by stage."""
    return Scores(
        tasks=sequence,
        cases=stage_matrix(rows, sequence, case_dice),
        predicted_ml=stage_matrix(rows, sequence, predicted_ml),
        excluded=stage_matrix(rows, sequence, excluded),
    )


def separate_scores(rows: Sequence[Row], sequence: tuple[str, ...]) -> Scores:
    """Scores of from-scratch training: of each task only its own network counts."""
    return joint_scores([row for row in rows if row.trained_on == row.task], sequence)


def joint_scores(rows: Sequence[Row], sequence: tuple[str, ...]) -> Scores:
    """Scores of one network trained on all tasks at once."""
    return Scores(
        tasks=sequence,
        cases=(task_vector(rows, sequence, case_dice),),
        predicted_ml=(task_vector(rows, sequence, predicted_ml),),
        excluded=(task_vector(rows, sequence, excluded),),
    )


SCORERS = {
    "from-scratch": separate_scores,
    "joint": joint_scores,
    "cumulative": staged_scores,
    "continual": staged_scores,
}
"""How the rows of a protocol are read."""


def by_place(rows: Iterable[Row]) -> RowsByPlace:
    """The rows of every replicate of every baseline."""
    places: dict[Place, list[Row]] = defaultdict(list)
    for row in rows:
        places[Place(row.protocol, row.baseline, row.seed, row.order)].append(row)
    return places


def by_replicate(info: BenchmarkInfo, entry: BaselineInfo, places: RowsByPlace) -> ByReplicate:
    """What one baseline reached in each replicate that was asked for, measured or not."""
    scorer = SCORERS[entry.protocol]
    return {
        pair: scorer(places.get(Place(entry.protocol, entry.name, *pair), ()), info.orders[pair.order - 1])
        for pair in info.replicates(entry.protocol)
    }


def final(scores: Scores, tasks: Sequence[str]) -> Snapshot:
    """All tasks after the last stage, in the order of ``tasks``."""
    return Snapshot(
        _picked(scores.dice[-1], scores.tasks, tasks),
        _picked(scores.predicted_ml[-1], scores.tasks, tasks),
        _picked(scores.excluded[-1], scores.tasks, tasks),
    )


def after_stage(scores: Scores, tasks: Sequence[str]) -> Snapshot:
    """Each task right after it was learnt; trained separately, that is the end as well."""
    if len(scores.dice) == 1:
        return final(scores, tasks)
    return Snapshot(
        _picked(diagonal(scores.dice), scores.tasks, tasks),
        _picked(diagonal(scores.predicted_ml), scores.tasks, tasks),
        _picked(diagonal(scores.excluded), scores.tasks, tasks),
    )


def staged_metrics(scores: Scores, scratch: Scores | None, cumulative: Scores | None) -> dict[str, float | None]:
    """The metrics of one baseline in one replicate, named as in ``model.Metrics``.

    Args:
        scores: of the baseline.
        scratch: a_j, of from-scratch training under the same seed; None where it is not run.
        cumulative: a*_j, of cumulative training in the same replicate; None where it is not run.
    """
    matrix, holes = scores.dice, (None,) * len(scores.tasks)
    alone = after_stage(scratch, scores.tasks).dice if scratch else holes
    bound = after_stage(cumulative, scores.tasks).dice if cumulative else holes
    return {
        "average_accuracy": average_accuracy(matrix),
        "learning_accuracy": learning_accuracy(matrix),
        "backward_transfer": backward_transfer(matrix),
        "forgetting": forgetting(matrix),
        "plasticity": plasticity(matrix, alone),
        "intransigence": intransigence(matrix, bound),
    }


def beside(found: Mapping[Replicate, T], pair: Replicate) -> T | None:
    """What a baseline has in a replicate; one without orders, under its seed."""
    return found.get(pair, found.get(Replicate(pair.seed, 1)))


def over_replicates(values: Sequence[float | None]) -> Stat | None:
    """Put one number per replicate together; None if none has it."""
    present = [value for value in values if value is not None]
    average = mean(present)
    if average is None:
        return None
    deviation = statistics.stdev(present) if len(present) > 1 else None
    return Stat(mean=average, sd=deviation, seeds=len(present), planned=len(values))


def each_over_replicates(vectors: Sequence[Vector]) -> tuple[Stat | None, ...]:
    """Put one vector per replicate together, entry by entry."""
    return tuple(over_replicates(values) for values in zip(*vectors, strict=True))


def reading(snapshots: Sequence[Snapshot]) -> Reading:
    """Put one snapshot per replicate together."""
    return Reading(
        dice=each_over_replicates([shot.dice for shot in snapshots]),
        mean=over_replicates([full_mean(shot.dice) for shot in snapshots]),
        predicted_ml=each_over_replicates([shot.predicted_ml for shot in snapshots]),
        excluded=tuple(sum(counts) for counts in zip(*(shot.excluded for shot in snapshots), strict=True)),
    )


def _picked(values: Sequence[T], names: Sequence[str], wanted: Sequence[str]) -> tuple[T, ...]:
    by_name = dict(zip(names, values, strict=True))
    return tuple(by_name[name] for name in wanted)
