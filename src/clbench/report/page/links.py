"""Which rows a number on the page comes from: the column of ``rows.csv`` → the value that they have there."""

from __future__ import annotations

import re
from collections.abc import Mapping

from clbench.report.table import Cell, Table, bare
from clbench.results.model import BaselineSummary, Summary

Query = Mapping[str, object]
"""Column of ``rows.csv`` → the value, or a list of the values, that the rows of a number have there."""

_NUMBER_AT = re.compile(r"(epoch|gain at) (\d+)")
_HELD_AGAINST = {
    "plasticity": ("from-scratch",),
    "intransigence": ("cumulative",),
    "gap closed": ("finetune", "joint", "joint-equal"),
}
"""A metric → the baselines whose rows are in it as well."""


def query(table: Table, header: str, row: tuple[Cell, ...], summary: Summary, owner: str, name: str) -> Query | None:
    """The rows of one cell; None where a number does not come from rows.

    Args:
        table: the table that the cell stands in.
        header: its column's head, without stamps.
        row: its line.
        summary: what is shown.
        owner: the baseline that the whole table is about; empty if there is none.
        name: the baseline, or fine-tuned backbone, that the line is about; empty if there is none.
    """
    if table.section == "Transfer":
        return _transfer(table, header, name)
    if table.section == "Metric passport":
        return _all_of(summary, [header]) if _known(summary, header) else None
    if owner:
        return _cell_of_matrix(table, header, row, summary, owner)
    entry = _known(summary, name)
    if table.section == "Surface metrics":
        return _surface(table, header, summary, entry)
    if table.slug == "volume":
        return _volume(header, row, summary, entry)
    if table.section == "How sure":
        return _compared(table, header, row, summary)
    return _of_baseline(table, header, summary, entry) if entry else None


def _transfer(table: Table, header: str, name: str) -> Query | None:
    """Dice on a held-out task at one epoch; a gain also comes from the rows of training from scratch."""
    found = _NUMBER_AT.match(header)
    if not found or not table.common:
        return None
    names = [name, "from-scratch"] if found[1] == "gain at" else name
    fraction = f"{table.common['fraction']:.6g}"
    return {**table.common, "fraction": fraction, "baseline": names, "epoch": int(found[2])}


def _cell_of_matrix(
    table: Table, header: str, row: tuple[Cell, ...], summary: Summary, owner: str
) -> Query | None:
    if header not in summary.benchmark.sequence:
        return None
    return {**_all_of(summary, [owner]), **table.common, "task": header, "stage": str(row[0]).split()[0]}


def _surface(table: Table, header: str, summary: Summary, entry: BaselineSummary | None) -> Query | None:
    if entry is None or header not in summary.benchmark.sequence:
        return None
    return {**_at(summary, entry, header, own=False), **table.common}


def _volume(
    header: str, row: tuple[Cell, ...], summary: Summary, entry: BaselineSummary | None
) -> Query | None:
    if header not in summary.benchmark.sequence:
        return None
    if entry is None:
        return {"task": header, "metric": "reference_ml"} if row[0] == "reference" else None
    own = row[1] == "after its stage"
    return {**_at(summary, entry, header, own), "metric": "predicted_ml"}


def _of_baseline(table: Table, header: str, summary: Summary, entry: BaselineSummary) -> Query | None:
    if table.section != "Dice":
        return None
    if header in summary.benchmark.sequence:
        return {**_at(summary, entry, header, own=table.slug == "per-stage"), "metric": "dice"}
    word = header.rstrip(" ↑↓")
    return of_metric(summary, entry, word, at_end=word == "ACC" or (word == "mean" and table.slug == "final"))


def of_metric(summary: Summary, entry: BaselineSummary, word: str, at_end: bool = False) -> Query:
    """The rows behind a number over all tasks, or behind the tasks at the end alone."""
    against = [other for other in _HELD_AGAINST.get(word, ()) if _known(summary, other)]
    last = {"stage": len(summary.benchmark.sequence)} if at_end and entry.staged else {}
    return {**_all_of(summary, [entry.name, *against]), **last}


def _compared(table: Table, header: str, row: tuple[Cell, ...], summary: Summary) -> Query:
    """The final Dice of the baselines that are held against each other."""
    names = [bare(str(row[0]))]
    if table.slug == "differences":
        names.append(bare(str(row[1])))
    elif header != "mean":
        names.append(bare(str(table.rows[0][0])))
    return {**_all_of(summary, names), "stage": len(summary.benchmark.sequence)}


def _all_of(summary: Summary, names: list[str]) -> dict[str, object]:
    protocols = list(dict.fromkeys(entry.protocol for entry in summary.baselines if entry.name in names))
    return {"protocol": protocols, "baseline": names, "metric": "dice"}


def _at(summary: Summary, entry: BaselineSummary, task: str, own: bool) -> dict[str, object]:
    """The rows of one task at the end, or right after it was learnt."""
    found: dict[str, object] = {"protocol": entry.protocol, "baseline": entry.name, "task": task}
    if entry.protocol == "from-scratch":
        return {**found, "trained_on": task}
    if not entry.staged:
        return found
    if not own:
        return {**found, "stage": len(summary.benchmark.sequence)}
    return {**found, "trained_on": task if entry.protocol == "continual" else _grown(summary, task)}


def _grown(summary: Summary, task: str) -> list[str]:
    """What cumulative training is on when it reaches a task: all tasks so far, in every order."""
    orders = summary.benchmark.orders
    return list(dict.fromkeys("+".join(order[: order.index(task) + 1]) for order in orders))


def _known(summary: Summary, name: str) -> BaselineSummary | None:
    return next((entry for entry in summary.baselines if entry.name == name), None)
