"""What each baseline reached under each seed, and how seeds are put together."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from clbench.results.continual import (
    average_accuracy,
    backward_transfer,
    forgetting,
    learning_accuracy,
    plasticity,
)
from clbench.results.matrix import (
    Matrix,
    Vector,
    diagonal,
    dice,
    excluded,
    full_mean,
    mean,
    predicted_ml,
    stage_matrix,
    task_vector,
)
from clbench.results.model import Reading, Stat
from clbench.results.rows import Row


@dataclass(frozen=True)
class Scores:
    """One baseline over the sequence under one seed; without stages its matrices have one line."""

    dice: Matrix
    """R, stages by tasks."""
    predicted_ml: Matrix
    """Predicted volumes in ml, stages by tasks."""
    excluded: tuple[tuple[int, ...], ...]
    """Pairs of case and label without a Dice, stages by tasks."""


@dataclass(frozen=True)
class Snapshot:
    """All tasks at one point in time under one seed, in the sequence's order."""

    dice: Vector
    """Dice by task."""
    predicted_ml: Vector
    """Predicted volume in ml by task."""
    excluded: tuple[int, ...]
    """Pairs of case and label without a Dice, by task."""


def continual_scores(rows: Sequence[Row], sequence: Sequence[str]) -> Scores:
    """Scores of a baseline that learns the sequence stage by stage."""
    return Scores(
        dice=stage_matrix(rows, sequence, dice),
        predicted_ml=stage_matrix(rows, sequence, predicted_ml),
        excluded=stage_matrix(rows, sequence, excluded),
    )


def separate_scores(rows: Sequence[Row], sequence: Sequence[str]) -> Scores:
    """Scores of from-scratch training: of each task only its own network counts."""
    return joint_scores([row for row in rows if row.trained_on == row.task], sequence)


def joint_scores(rows: Sequence[Row], sequence: Sequence[str]) -> Scores:
    """Scores of one network trained on all tasks at once."""
    return Scores(
        dice=(task_vector(rows, sequence, dice),),
        predicted_ml=(task_vector(rows, sequence, predicted_ml),),
        excluded=(task_vector(rows, sequence, excluded),),
    )


SCORERS = {"continual": continual_scores, "from-scratch": separate_scores, "joint": joint_scores}
"""How the rows of a protocol are read."""


def final(scores: Scores) -> Snapshot:
    """All tasks after the last stage."""
    return Snapshot(scores.dice[-1], scores.predicted_ml[-1], scores.excluded[-1])


def after_stage(scores: Scores) -> Snapshot:
    """Each task right after it was learnt; trained separately, that is the end as well."""
    if len(scores.dice) == 1:
        return final(scores)
    return Snapshot(diagonal(scores.dice), diagonal(scores.predicted_ml), diagonal(scores.excluded))


def sequence_metrics(matrix: Matrix, scratch: Vector) -> dict[str, float | None]:
    """The metrics of one sequence under one seed, named as in ``model.Metrics``; ``scratch`` is a_j."""
    return {
        "average_accuracy": average_accuracy(matrix),
        "learning_accuracy": learning_accuracy(matrix),
        "backward_transfer": backward_transfer(matrix),
        "forgetting": forgetting(matrix),
        "plasticity": plasticity(matrix, scratch),
    }


def over_seeds(values: Sequence[float | None]) -> Stat | None:
    """Put one number per seed together; None if no seed has it."""
    present = [value for value in values if value is not None]
    average = mean(present)
    if average is None:
        return None
    deviation = statistics.stdev(present) if len(present) > 1 else None
    return Stat(mean=average, sd=deviation, seeds=len(present), planned=len(values))


def each_over_seeds(vectors: Sequence[Vector]) -> tuple[Stat | None, ...]:
    """Put one vector per seed together, entry by entry."""
    return tuple(over_seeds(values) for values in zip(*vectors, strict=True))


def reading(snapshots: Sequence[Snapshot]) -> Reading:
    """Put one snapshot per seed together."""
    return Reading(
        dice=each_over_seeds([shot.dice for shot in snapshots]),
        mean=over_seeds([full_mean(shot.dice) for shot in snapshots]),
        predicted_ml=each_over_seeds([shot.predicted_ml for shot in snapshots]),
        excluded=tuple(sum(counts) for counts in zip(*(shot.excluded for shot in snapshots), strict=True)),
    )
