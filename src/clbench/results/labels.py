"""Learning curves of each label by itself, on held-out tasks that have several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from clbench.results.model import LabelTransfer
from clbench.results.records import BenchmarkInfo
from clbench.results.rows import Row
from clbench.results.transfer import transfer_points

if TYPE_CHECKING:
    from clbench.results.resampling import Resampling


def label_transfer(
    rows: Sequence[Row], targets: Sequence[str], baselines: Sequence[str], seeds: Sequence[int]
) -> tuple[LabelTransfer, ...]:
    """The curves of every label of every target that has several; the arguments are those of ``transfer_points``."""
    return tuple(
        LabelTransfer(
            target=target,
            label=label,
            points=transfer_points(_of_label(rows, target, label), (target,), baselines, seeds),
        )
        for target in targets
        for label in _several_labels(rows, target)
    )


def with_label_intervals(
    curves: Iterable[LabelTransfer], rows: Sequence[Row], info: BenchmarkInfo, resampling: Resampling
) -> tuple[LabelTransfer, ...]:
    """The same curves with an interval in Dice and gain."""
    # Here, because numpy is of no use to those who only read a summary.
    from clbench.results.intervals import transfer_with_intervals

    def filled(one: LabelTransfer) -> LabelTransfer:
        own = _of_label(rows, one.target, one.label)
        return one.model_copy(update={"points": transfer_with_intervals(one.points, own, info, resampling)})

    return tuple(map(filled, curves))


def _several_labels(rows: Iterable[Row], target: str) -> list[str]:
    """The labels that a target was measured for, sorted; none where there is only one."""
    found = {row.label for row in rows if row.protocol == "transfer" and row.task == target}
    return sorted(found) if len(found) > 1 else []


def _of_label(rows: Iterable[Row], target: str, label: str) -> list[Row]:
    return [row for row in rows if row.protocol == "transfer" and (row.task, row.label) == (target, label)]
