"""What stands in a cell of the page: its words, what it is sorted by, its shade, and the rows it comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from clbench.report.render import cell_text
from clbench.report.table import Cell, Table
from clbench.results.model import Stat, Summary

STAMPS = re.compile(r"(?: (?:INERT|AS-ORIGINAL))+$")
"""What ``table.stamped`` puts behind a baseline's name."""
Query = Mapping[str, object]
"""Column of ``rows.csv`` → the value that the rows of a number have there."""


@dataclass(frozen=True)
class Shown:
    """A cell as the template prints it."""

    text: str
    value: str
    """What it is sorted by."""
    word: bool = False
    """Whether it is words rather than a number."""
    heat: float | None = None
    """Share of the full shade, in [0, 1]."""
    rows: str = ""
    """A ``Query`` as JSON; empty where a number is not the mean of rows."""
    stamp: str = ""
    """What must not be overlooked beside it."""


@dataclass(frozen=True)
class Line:
    """A line of a table; ``baseline`` is what the page's filter goes by."""

    cells: tuple[Shown, ...]
    baseline: str = ""


@dataclass(frozen=True)
class Head:
    """A column's head."""

    text: str
    word: bool


@dataclass(frozen=True)
class ShownTable:
    """A table as the template prints it."""

    title: str
    note: str
    headers: tuple[Head, ...]
    lines: tuple[Line, ...]
    baseline: str = ""
    """Whose the whole table is, where it is one baseline's."""


def shown_table(table: Table, summary: Summary) -> ShownTable:
    """A report's table with links to the rows that its numbers come from."""
    names = {entry.name for entry in summary.baselines}
    whole = bare(table.headers[0].removesuffix(" after"))
    owner = whole if table.section == "Stage by task" and whole in names else ""
    return ShownTable(
        title=table.title,
        note=table.note,
        headers=tuple(Head(text, place < table.text_columns) for place, text in enumerate(table.headers)),
        lines=tuple(_line(table, row, summary, owner) for row in table.rows),
        baseline=owner,
    )


def shown(cell: Cell, decimals: int, word: bool = False, heat: bool = False, query: Query | None = None) -> Shown:
    """One cell."""
    text = cell_text(cell, decimals)
    number = cell.mean if isinstance(cell, Stat) else cell
    value = "" if number is None else f"{number:.9g}" if isinstance(number, float) else str(number)
    name = bare(text) if word else text
    return Shown(
        text=name,
        value=value,
        word=word,
        heat=round(min(max(number, 0.0), 1.0), 3) if heat and isinstance(number, float) else None,
        rows=json.dumps(query) if query and isinstance(cell, Stat) else "",
        stamp=text[len(name) :].strip(),
    )


def bare(label: str) -> str:
    """A baseline's name without its stamps."""
    return STAMPS.sub("", label)


def _line(table: Table, row: tuple[Cell, ...], summary: Summary, owner: str) -> Line:
    name = bare(str(row[0]))
    known = name in {entry.name for entry in summary.baselines}
    cells = []
    for place, (header, cell) in enumerate(zip(table.headers, row, strict=True)):
        query = _query(table, header, row, owner, summary) if owner or known else None
        heat = bool(owner) or (header in summary.benchmark.sequence and table.section == "Dice")
        cells.append(shown(cell, table.decimals, place < table.text_columns, heat, query))
    return Line(tuple(cells), "" if owner else name if known else "")


def _query(table: Table, header: str, row: tuple[Cell, ...], owner: str, summary: Summary) -> Query | None:
    """Which rows a number in a table of Dice over the sequence is the mean of."""
    if header not in summary.benchmark.sequence:
        return None
    if owner:
        return {"baseline": owner, "task": header, "stage": str(row[0]).split()[0], "metric": "dice"}
    if table.section != "Dice":
        return None
    name = bare(str(row[0]))
    entry = next(entry for entry in summary.baselines if entry.name == name)
    found: dict[str, object] = {"protocol": entry.protocol, "baseline": name, "task": header, "metric": "dice"}
    if not entry.staged:
        return found
    if table.slug == "per-stage":  # a task's own stage is another one in every order
        several = len(summary.benchmark.orders) > 1
        return found if several else {**found, "stage": summary.benchmark.sequence.index(header) + 1}
    return {**found, "stage": len(summary.benchmark.sequence)}
