"""Puts an interval beside every Dice and every metric of a summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from clbench.results.draws import ScoreDraws, metric_draws, score_draws
from clbench.results.matrix import case_dice
from clbench.results.model import BaselineSummary, Metrics, Reading, TransferPoint
from clbench.results.records import BenchmarkInfo, Replicate
from clbench.results.resampling import Drawn, Resampling
from clbench.results.rows import Row
from clbench.results.scores import ByReplicate, beside
from clbench.results.stat import Interval, Stat
from clbench.results.statistics import Array
from clbench.results.transfer import by_setting

Limits = tuple[float, float]
"""Between what a number lies by its definition."""

DICE: Limits = (0.0, 1.0)
CHANGE: Limits = (-1.0, 1.0)

LEVELS = ("average_accuracy", "learning_accuracy")
CHANGES = ("backward_transfer", "forgetting", "plasticity", "intransigence")
"""Gap closed has no interval: it is a ratio whose denominator may be near zero."""


def interval(drawn: Drawn, limits: Limits) -> Interval | None:
    """The 95 % interval of a mean; None where cases can't be drawn.

    Ends have six digits: more would differ between machines and mean nothing.
    """
    if np.isnan(drawn.values).any():
        return None
    low, high = (round(min(max(end, limits[0]), limits[1]), 6) + 0.0 for end in drawn.ends())
    return Interval(low=low, high=high, seeds=drawn.seeds)


def with_intervals(
    info: BenchmarkInfo,
    baselines: Iterable[BaselineSummary],
    scores: Mapping[str, ByReplicate],
    resampling: Resampling,
) -> tuple[BaselineSummary, ...]:
    """The baselines with an interval in each of their numbers that is made of Dice.

    Args:
        info: what was run.
        baselines: as they are without intervals.
        scores: what they were made from, by baseline.
        resampling: draws of the benchmark's cases and seeds.
    """
    bounds = {
        name: {pair: score_draws(found, resampling) for pair, found in scores[name].items()}
        for name in ("from-scratch", "cumulative")
        if name in scores
    }
    return tuple(_Baseline(info, scores[entry.name], bounds, resampling).filled(entry) for entry in baselines)


def transfer_with_intervals(
    points: Iterable[TransferPoint], rows: Iterable[Row], info: BenchmarkInfo, resampling: Resampling
) -> tuple[TransferPoint, ...]:
    """The points of the learning curves with an interval in Dice and gain."""
    pairs, settings = [Replicate(seed, 1) for seed in info.seeds], by_setting(rows, info.targets)

    def drawn(point: TransferPoint, baseline: str) -> Array:
        curves, cases = settings[point.target, point.fraction], resampling.cases[point.target]
        found = [curves.get((baseline, seed), {}).get(point.epoch, ()) for seed in info.seeds]
        return cases.means(np.stack([cases.array(case_dice(one)) for one in found]))

    def filled(point: TransferPoint) -> TransferPoint:
        own = drawn(point, point.baseline)
        gain = own - drawn(point, "from-scratch")
        dice = _with(point.dice, resampling.seeds.over(pairs, own), DICE)
        return point.model_copy(
            update={"dice": dice, "gain": _with(point.gain, resampling.seeds.over(pairs, gain), CHANGE)}
        )

    return tuple(filled(point) for point in points)


class _Baseline:
    """One baseline's draws in all replicates."""

    def __init__(
        self,
        info: BenchmarkInfo,
        scores: ByReplicate,
        bounds: Mapping[str, Mapping[Replicate, ScoreDraws]],
        resampling: Resampling,
    ) -> None:
        self._info, self._bounds, self._seeds = info, bounds, resampling.seeds
        self._draws = {pair: score_draws(found, resampling) for pair, found in scores.items()}

    def filled(self, entry: BaselineSummary) -> BaselineSummary:
        """The summary with its intervals."""
        tasks = self._info.sequence
        update = {
            "final": self._reading(entry.final, [draws.final(tasks) for draws in self._draws.values()]),
            "after_stage": entry.after_stage
            and self._reading(entry.after_stage, [draws.after_stage(tasks) for draws in self._draws.values()]),
            "matrices": tuple(
                self._matrix(number, matrix) for number, matrix in enumerate(entry.matrices, start=1)
            ),
            "metrics": self._staged_metrics(entry.metrics) if entry.staged else self._accuracy(entry.metrics),
        }
        return entry.model_copy(update=update)

    def _reading(self, reading: Reading, snapshots: Sequence[Array]) -> Reading:
        """With snapshots (tasks, 1 + draws), one per replicate."""
        pairs, together = list(self._draws), np.stack(snapshots)
        dice = [
            _with(stat, self._seeds.over(pairs, together[:, task]), DICE) for task, stat in enumerate(reading.dice)
        ]
        mean = _with(reading.mean, self._seeds.over(pairs, together.mean(axis=1)), DICE)
        return reading.model_copy(update={"dice": tuple(dice), "mean": mean})

    def _matrix(self, order: int, matrix: Sequence[Sequence[Stat | None]]) -> tuple[tuple[Stat | None, ...], ...]:
        pairs = [pair for pair in self._draws if pair.order == order]
        dice = np.stack([self._draws[pair].dice for pair in pairs])
        return tuple(
            tuple(_with(stat, self._seeds.over(pairs, dice[:, i, j]), DICE) for j, stat in enumerate(line))
            for i, line in enumerate(matrix)
        )

    def _staged_metrics(self, metrics: Metrics) -> Metrics:
        found = [self._metrics_of(pair) for pair in self._draws]
        limits = {**dict.fromkeys(LEVELS, DICE), **dict.fromkeys(CHANGES, CHANGE)}
        return metrics.model_copy(
            update={
                name: self._over(getattr(metrics, name), [one[name] for one in found], limits[name])
                for name in limits
            }
        )

    def _accuracy(self, metrics: Metrics) -> Metrics:
        found = [draws.dice[-1].mean(axis=0) for draws in self._draws.values()]
        return metrics.model_copy(update={"average_accuracy": self._over(metrics.average_accuracy, found, DICE)})

    def _metrics_of(self, pair: Replicate) -> dict[str, Array]:
        draws = self._draws[pair]
        scratch, cumulative = (self._bound(name, pair, draws.tasks) for name in ("from-scratch", "cumulative"))
        return metric_draws(draws, scratch, cumulative)

    def _bound(self, name: str, pair: Replicate, tasks: Sequence[str]) -> Array | None:
        found = beside(self._bounds.get(name, {}), pair)
        return None if found is None else found.after_stage(tasks)

    def _over(self, stat: Stat | None, rows: Sequence[Array], limits: Limits) -> Stat | None:
        return _with(stat, self._seeds.over(list(self._draws), np.stack(rows)), limits)


def _with(stat: Stat | None, drawn: Drawn, limits: Limits) -> Stat | None:
    return None if stat is None else stat.model_copy(update={"interval": interval(drawn, limits)})
