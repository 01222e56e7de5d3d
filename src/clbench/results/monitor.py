"""Dice within stages, from the rows of online evaluation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from clbench.results.matrix import dice
from clbench.results.model import MonitorPoint
from clbench.results.records import STAGED, BenchmarkInfo
from clbench.results.rows import Row
from clbench.results.scores import over_replicates

Place = tuple[str, int, int, int, str]


def monitor_points(info: BenchmarkInfo, monitored: Iterable[Row], rows: Sequence[Row]) -> tuple[MonitorPoint, ...]:
    """Means over cases, then over seeds.

    Args:
        info: what was run.
        monitored: the rows of online evaluation.
        rows: the main rows, of which the last epoch of every stage is known.
    """
    last = {(row.baseline, row.order, row.stage): row.epoch for row in sorted(rows, key=lambda row: row.epoch)}
    found: dict[Place, dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in monitored:
        if row.protocol in STAGED:
            found[row.baseline, row.order, row.stage, row.epoch, row.task][row.seed].append(row)
    points = []
    for (baseline, order, stage, epoch, task), by_seed in sorted(found.items()):
        stat = over_replicates([dice(by_seed.get(seed, ())) for seed in info.seeds])
        end = last.get((baseline, order, stage))
        if stat is not None and end:
            points.append(
                MonitorPoint(baseline=baseline, order=order, stage=stage, share=epoch / end, task=task, dice=stat)
            )
    return tuple(points)
