"""Learning curves on the held-out tasks, each backbone against training from scratch."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from clbench.results.continual import transfer_gain
from clbench.results.matrix import dice, excluded, predicted_ml
from clbench.results.model import TransferPoint
from clbench.results.rows import Row
from clbench.results.scores import over_replicates

Setting = tuple[str, float]
"""A held-out task and the share of its training cases."""

Curves = dict[tuple[str, int], dict[int, list[Row]]]
"""Baseline and seed → epoch → rows."""


def transfer_points(
    rows: Iterable[Row], targets: Sequence[str], baselines: Sequence[str], seeds: Sequence[int]
) -> tuple[TransferPoint, ...]:
    """Every point of every curve: by target, fraction, baseline and epoch.

    Args:
        rows: all rows; those of protocol transfer on a target count.
        targets: the held-out tasks, in display order.
        baselines: the backbones that have a curve, in display order, ``from-scratch`` among them.
        seeds: the seeds that were asked for.
    """
    settings = by_setting(rows, targets)
    ordered = sorted(settings, key=lambda setting: (targets.index(setting[0]), setting[1]))
    return tuple(
        point
        for setting in ordered
        for baseline in baselines
        for point in _curve(setting, settings[setting], baseline, seeds)
    )


def by_setting(rows: Iterable[Row], targets: Sequence[str]) -> dict[Setting, Curves]:
    """The rows of the transfer protocol, by target and fraction, baseline and seed, epoch."""
    settings: dict[Setting, Curves] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for row in rows:
        if row.protocol == "transfer" and row.task in targets:
            settings[row.task, row.fraction][row.baseline, row.seed][row.epoch].append(row)
    return settings


def _curve(setting: Setting, curves: Curves, baseline: str, seeds: Sequence[int]) -> list[TransferPoint]:
    """A backbone's points up to its own end, which a schedule may set before that of the others."""
    own = [curves.get((baseline, seed), {}) for seed in seeds]
    scratch = [curves.get(("from-scratch", seed), {}) for seed in seeds]
    end = max((epoch for curve in own for epoch in curve), default=math.inf)
    epochs = sorted({epoch for curve in curves.values() for epoch in curve if epoch <= end})
    gains = [
        transfer_gain(_dice_by_epoch(mine, epochs), _dice_by_epoch(theirs, epochs))
        for mine, theirs in zip(own, scratch, strict=True)
    ]
    return [
        TransferPoint(
            target=setting[0],
            baseline=baseline,
            fraction=setting[1],
            epoch=epoch,
            dice=over_replicates([dice(curve.get(epoch, ())) for curve in own]),
            gain=over_replicates([gain[epoch] for gain in gains]),
            predicted_ml=over_replicates([predicted_ml(curve.get(epoch, ())) for curve in own]),
            excluded=sum(excluded(curve.get(epoch, ())) for curve in own),
        )
        for epoch in epochs
    ]


def _dice_by_epoch(curve: Mapping[int, Sequence[Row]], epochs: Sequence[int]) -> dict[int, float | None]:
    return {epoch: dice(curve.get(epoch, ())) for epoch in epochs}
