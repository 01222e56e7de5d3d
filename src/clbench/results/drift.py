"""Drift of representations over replicates, by layer and by part of the network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter

from clbench.results.drift_rows import DriftRow
from clbench.results.matrix import mean
from clbench.results.model import PARTS, DriftPoint
from clbench.results.scores import over_replicates

Place = tuple[str, int, int, str, str]


def drift_points(rows: Iterable[DriftRow], seeds: Sequence[int]) -> tuple[DriftPoint, ...]:
    """CKA with the network right after the task's own stage, over seeds: of each layer, and the mean of each part.

    Args:
        rows: the measurements.
        seeds: all that are planned.
    """
    layers = sorted(rows, key=attrgetter("depth"))
    bottleneck = max((row.depth for row in layers if row.layer.startswith("encoder")), default=0)
    found: dict[Place, dict[int, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    for row in layers:
        for layer in (row.layer, _part(row, bottleneck)):
            found[row.baseline, row.order, row.stage, row.task, layer][row.seed].append(row.cka)
    points = []
    for (baseline, order, stage, task, layer), by_seed in found.items():
        stat = over_replicates([mean(by_seed.get(seed, ())) for seed in seeds])
        if stat is not None:
            points.append(DriftPoint(baseline=baseline, order=order, stage=stage, task=task, layer=layer, cka=stat))
    return tuple(sorted(points, key=lambda point: (point.baseline, point.order, point.stage, point.task)))


def _part(row: DriftRow, bottleneck: int) -> str:
    """Which of ``PARTS`` a layer is in."""
    encoder, middle, decoder = PARTS
    return middle if row.depth == bottleneck else encoder if row.depth < bottleneck else decoder
