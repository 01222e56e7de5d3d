"""What stands in a cell of the page: its words, what it is sorted by, its shade, and the rows it comes from."""

from __future__ import annotations

import json
from dataclasses import dataclass

from clbench.report.page.links import Query, query
from clbench.report.render import cell_text
from clbench.report.table import Cell, Table, bare, stamps_of
from clbench.results.model import Summary
from clbench.results.stat import Stat


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
    spread: str = ""
    """What stands behind a mean, in small type."""
    count: str = ""
    """How many replicates it is the mean of, where some are missing."""
    hint: str = ""
    """The number in full, where the cell shows less."""


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
    headers = ("after", *table.headers[1:]) if owner else table.headers
    return ShownTable(
        title=table.title.partition(":")[0] if owner else table.title,
        note=table.note,
        headers=tuple(Head(text, place < table.text_columns) for place, text in enumerate(headers)),
        lines=tuple(_line(table, row, summary, owner) for row in table.rows),
        baseline=owner,
    )


def shown(
    cell: Cell, decimals: int, word: bool = False, heat: bool = False, query: Query | None = None, spread: bool = True
) -> Shown:
    """One cell; what it leaves out of a number without ``spread`` is in its hint."""
    text, whole = cell_text(cell, decimals, spread=False), cell_text(cell, decimals)
    number = cell.mean if isinstance(cell, Stat) else cell
    value = "" if number is None else f"{number:.9g}" if isinstance(number, float) else str(number)
    name = bare(text) if word else _first(text) if isinstance(cell, Stat) else text
    return Shown(
        text=name,
        value=value,
        word=word,
        heat=round(min(max(number, 0.0), 1.0), 3) if heat and isinstance(number, float) else None,
        rows=json.dumps(query) if query and isinstance(cell, Stat | float) else "",
        stamp=stamps_of(text) if word else "",
        spread=_rest(whole).partition("(")[0].strip() if spread and isinstance(cell, Stat) else "",
        count="".join(_rest(whole).partition("(")[1:]) if isinstance(cell, Stat) else "",
        hint="" if spread else whole,
    )


def _rest(text: str) -> str:
    return text.removeprefix(_first(text)).strip()


def _first(text: str) -> str:
    """The mean alone."""
    return text.split(" ")[0]


def _line(table: Table, row: tuple[Cell, ...], summary: Summary, owner: str) -> Line:
    name = bare(str(row[0]))
    named = {*(entry.name for entry in summary.baselines), "from-scratch", *summary.benchmark.tuned}
    cells = []
    for place, (header, cell) in enumerate(zip(table.headers, row, strict=True)):
        words = place < table.text_columns
        found = None if words else query(table, bare(header), row, summary, owner, name)
        heat = bool(owner) or (header in summary.benchmark.sequence and table.section == "Dice")
        cells.append(shown(cell, table.decimals, words, heat, found, spread=not owner))
    return Line(tuple(cells), name if name in named and not owner else "")
