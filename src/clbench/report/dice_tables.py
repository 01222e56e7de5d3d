"""Dice over the sequence: final, per stage, as metrics and as matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from clbench.report.table import Cell, Table, counted, order_words, several_orders, slug_of, staged, stamped
from clbench.results.model import BaselineSummary, Summary
from clbench.results.stat import Stat

T = TypeVar("T")

_INTRANSIGENCE = ", intransigence the mean distance of later tasks below cumulative's per-stage Dice"


def final_table(summary: Summary) -> Table:
    """All tasks at the end, one line per baseline."""
    return Table(
        title="Final Dice: all tasks at the end",
        slug="final",
        headers=("baseline", *summary.benchmark.sequence, "mean", "BWT", "forgetting", "gap closed"),
        rows=tuple(_final_row(summary, entry) for entry in summary.baselines),
        note=f"Every task with the last network of the sequence, from-scratch with its own; {_gap_note(summary)}.",
        counted=counted(summary),
        key_columns=(1 + len(summary.benchmark.sequence),),
    )


def stage_table(summary: Summary) -> Table:
    """Each task right after it was learnt, one line per baseline that has stages."""
    lines = [(entry, entry.after_stage) for entry in summary.baselines if entry.after_stage is not None]
    return Table(
        title="Per-stage Dice: each task right after it was learnt",
        slug="per-stage",
        headers=("baseline", *summary.benchmark.sequence, "mean", "plasticity"),
        rows=tuple(
            (stamped(entry), *then.dice, then.mean, _if_staged(entry, entry.metrics.plasticity))
            for entry, then in lines
        ),
        note="Shows whether a method can still learn; plasticity is the mean difference to from-scratch "
        "over the tasks after the first.",
        counted=counted(summary),
        key_columns=(1 + len(summary.benchmark.sequence),),
    )


def metrics_table(summary: Summary) -> Table:
    """The metrics of continual learning, one line per baseline that learns stage by stage."""
    return Table(
        title="Continual-learning metrics",
        slug="metrics",
        headers=(
            *("baseline", "ACC ↑", "LA ↑", "BWT ↑", "forgetting ↓", "plasticity ↑"),
            *_with_cumulative(summary, "intransigence ↓"),
            "gap closed ↑",
        ),
        rows=tuple(_metrics_row(summary, entry) for entry in staged(summary)),
        note="ACC and LA are the means of the final and the per-stage Dice, BWT the mean change of the "
        "earlier tasks from one to the other, forgetting their mean fall from their best"
        f"{''.join(_with_cumulative(summary, _INTRANSIGENCE))}; arrows point to better.",
        counted=counted(summary),
    )


def matrix_tables(summary: Summary) -> list[Table]:
    """The stage-by-task matrix of every baseline that learns stage by stage, one for each order."""
    orders = range(1, len(summary.benchmark.orders) + 1)
    return [_matrix_table(summary, entry, order) for entry in staged(summary) for order in orders]


def _final_row(summary: Summary, entry: BaselineSummary) -> tuple[Cell, ...]:
    change = [entry.metrics.backward_transfer, entry.metrics.forgetting]
    return (
        stamped(entry),
        *entry.final.dice,
        entry.final.mean,
        *(_if_staged(entry, value) for value in change),
        _gap(summary, entry),
    )


def _metrics_row(summary: Summary, entry: BaselineSummary) -> tuple[Cell, ...]:
    found = entry.metrics
    return (
        stamped(entry),
        found.average_accuracy,
        found.learning_accuracy,
        found.backward_transfer,
        found.forgetting,
        found.plasticity,
        *_with_cumulative(summary, found.intransigence),
        _gap(summary, entry),
    )


def _gap(summary: Summary, entry: BaselineSummary) -> Cell:
    return "" if summary.gap_reference is None else entry.metrics.gap_closed


def _gap_note(summary: Summary) -> str:
    if summary.gap_reference is None:
        return "gap closed needs both fine-tuning and joint training"
    words = f"gap closed is 0 for finetune and 1 for {summary.gap_reference}"
    return f"{words}, in each replicate that has such a gap" if several_orders(summary) else words


def _matrix_table(summary: Summary, entry: BaselineSummary, order: int) -> Table:
    tasks = summary.benchmark.orders[order - 1]
    lines = zip(tasks, entry.matrices[order - 1], strict=True)
    words, slug = order_words(summary, order)
    return Table(
        title=f"{stamped(entry)}{words}: Dice of every task after every stage",
        slug=slug_of("matrix", entry.name, *slug),
        headers=(f"{stamped(entry)} after", *tasks),
        rows=tuple(
            (f"{stage} {task}", *_matrix_cells(stage, line)) for stage, (task, line) in enumerate(lines, start=1)
        ),
        note="Down a column one task is learnt and then kept or forgotten; the diagonal is the per-stage, "
        "the last line the final reading.",
        section="Stage by task",
        common={"order": order},
    )


def _matrix_cells(stage: int, line: Sequence[Stat | None]) -> list[Cell]:
    """A task whose stage is still to come has no head, so nothing is missing there."""
    return ["" if value is None and task > stage else value for task, value in enumerate(line, start=1)]


def _with_cumulative(summary: Summary, cell: T) -> tuple[T, ...]:
    """What only a run with cumulative training can show."""
    return (cell,) if any(entry.protocol == "cumulative" for entry in summary.baselines) else ()


def _if_staged(entry: BaselineSummary, value: Cell) -> Cell:
    return value if entry.staged else ""
