"""The table of representation drift; only for a run whose drift was measured."""

from __future__ import annotations

from clbench.report.table import Cell, Table, order_words, slug_of, staged, stamped
from clbench.results.model import PARTS, BaselineSummary, Summary

SECTION = "Representation drift"


def drift_tables(summary: Summary) -> tuple[Table, ...]:
    """What the last stage has left of every task's representation, for every order."""
    return tuple(_table(summary, order) for order in sorted({point.order for point in summary.drift.points}))


def _table(summary: Summary, order: int) -> Table:
    tasks = summary.benchmark.orders[order - 1]
    words, slug = order_words(summary, order)
    return Table(
        title=f"Linear CKA at the end with the network right after the task's own stage{words}",
        slug=slug_of("drift", *slug),
        headers=("baseline", "part", *tasks[:-1]),
        rows=tuple(
            (stamped(entry), part, *cells)
            for entry in staged(summary) for part in PARTS
            if any(cells := _cells(summary, entry, order, part))
        ),
        note=(
            "1: the layers tell the voxels of the task's reported cases apart as they did right after its stage, up "
            "to rotation and scale; the mean over the part's layers. It says nothing about the Dice: a head may fail "
            f"on features that only turned, and do well on others. {summary.drift.words}"
        ).strip(),
        section=SECTION,
        text_columns=2,
    )  # fmt: skip


def _cells(summary: Summary, entry: BaselineSummary, order: int, part: str) -> list[Cell]:
    tasks = summary.benchmark.orders[order - 1]
    place = (entry.name, order, len(tasks), part)
    found = {
        point.task: point.cka for point in summary.drift.points
        if (point.baseline, point.order, point.stage, point.layer) == place
    }  # fmt: skip
    return [found.get(task) for task in tasks[:-1]]
