"""The twins of ``scores`` and ``continual`` on draws: every number of one replicate when cases are drawn anew.

Arrays end in an axis of 1 + draws; its first entry is the number itself, NaN is a hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clbench.results.resampling import Resampling
from clbench.results.scores import Scores
from clbench.results.statistics import Array


@dataclass(frozen=True)
class ScoreDraws:
    """One baseline in one replicate; the twin of ``Scores``."""

    tasks: tuple[str, ...]
    """The tasks in the order in which they were learnt."""
    dice: Array
    """R in every draw: (stages, tasks, 1 + draws)."""

    def final(self, tasks: Sequence[str]) -> Array:
        """All tasks after the last stage: (tasks, 1 + draws), in the order of ``tasks``."""
        return self.dice[-1, [self.tasks.index(task) for task in tasks]]

    def after_stage(self, tasks: Sequence[str]) -> Array:
        """Each task right after it was learnt: (tasks, 1 + draws), in the order of ``tasks``."""
        if len(self.dice) == 1:
            return self.final(tasks)
        places = [self.tasks.index(task) for task in tasks]
        return self.dice[places, places]


def score_draws(scores: Scores, resampling: Resampling) -> ScoreDraws:
    """Draw one baseline's cases in one replicate."""
    columns = []
    for place, task in enumerate(scores.tasks):
        cases = resampling.cases[task]
        columns.append(cases.means(np.stack([cases.array(line[place]) for line in scores.cases])))
    return ScoreDraws(scores.tasks, np.stack(columns, axis=1))


def metric_draws(draws: ScoreDraws, scratch: Array | None, cumulative: Array | None) -> dict[str, Array]:
    """The metrics of ``scores.staged_metrics`` in every draw: (1 + draws,) each.

    Args:
        draws: of the baseline.
        scratch: (tasks, 1 + draws) of from-scratch training, in the order of the baseline's tasks.
        cumulative: the same of cumulative training.
    """
    last, learnt = draws.dice[-1], draws.after_stage(draws.tasks)
    hole = np.full_like(learnt, np.nan)
    return {
        "average_accuracy": last.mean(axis=0),
        "learning_accuracy": learnt.mean(axis=0),
        "backward_transfer": _mean((last - learnt)[:-1]),
        "forgetting": _mean(_best_before_last(draws.dice) - last[:-1]),
        "plasticity": _mean((learnt - (hole if scratch is None else scratch))[1:]),
        "intransigence": _mean(((hole if cumulative is None else cumulative) - learnt)[1:]),
    }


def _best_before_last(dice: Array) -> Array:
    """The best of each earlier task from its own stage to the one before the last: (tasks - 1, 1 + draws)."""
    best = [dice[task:-1, task].max(axis=0) for task in range(dice.shape[1] - 1)]
    return np.array(best).reshape(-1, dice.shape[2])


def _mean(lines: Array) -> Array:
    """Mean over tasks; a hole where there is none."""
    return lines.mean(axis=0) if len(lines) else np.full(lines.shape[1:], np.nan)
