"""Held-out tasks with several labels, each label by itself."""

from __future__ import annotations

from dataclasses import replace

from clbench.report.table import Table, slug_of
from clbench.report.transfer_tables import transfer_tables
from clbench.results.model import LabelTransfer, Summary


def transfer_label_tables(summary: Summary) -> list[Table]:
    """Dice over epochs of every label of the held-out tasks that have several; a table per label and fraction."""
    return [table for one in summary.transfer_by_label for table in _tables(summary, one)]


def _tables(summary: Summary, one: LabelTransfer) -> list[Table]:
    """What the table of the whole task shows, of one label."""
    words = f"{one.label} of {one.target}"
    return [
        replace(
            table,
            title=table.title.replace(one.target, words, 1),
            slug=f"{table.slug}-{slug_of(one.label)}",
            common={**table.common, "label": one.label},
            note=f"{table.note} Of this label alone, over the cases in which it has a Dice.",
        )
        for table in transfer_tables(summary.model_copy(update={"transfer": one.points}))
    ]
