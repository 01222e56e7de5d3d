"""How a table looks: on a terminal, in Markdown, in LaTeX and as CSV."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Callable

from tabulate import tabulate

from clbench.report.table import Cell, Table
from clbench.results.model import Stat

_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")

HOLE = "–"
"""How a missing result is shown."""

TERMINAL_WIDTH = 100

_LATEX_SIGNS = str.maketrans(
    {
        "[": "{[}",  # at the start of a line a bare bracket is an argument of the line break before it
        "]": "{]}",
        "–": "--",
        "±": r"$\pm$",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "→": r"$\rightarrow$",
        "≥": r"$\geq$",
        "·": r"$\cdot$",
        "“": "``",
        "”": "''",
    }
)


def cell_text(cell: Cell, decimals: int) -> str:
    """A cell as people read it: ``0.712``, ``0.712 ± 0.010``, with ``(2 of 3)`` where replicates are missing."""
    if cell is None:
        return HOLE
    if isinstance(cell, Stat):
        return _stat_text(cell, decimals)
    return _number_text(cell, decimals) if isinstance(cell, float) else " ".join(str(cell).split())


def terminal(table: Table) -> str:
    """Title, table and note as plain text."""
    body = _tabulated(table, "simple")
    note = textwrap.fill(table.note, TERMINAL_WIDTH)
    return f"{table.title}\n\n{body}\n\n{note}\n"


def markdown(table: Table) -> str:
    """The table alone, for a page that gives it a heading and its note."""
    return _tabulated(table, "pipe", lambda text: text.replace("|", r"\|")) + "\n"


def latex(table: Table) -> str:
    """A booktabs ``tabular``; title and note stand before it as comments."""
    body = _tabulated(table, "latex_booktabs").translate(_LATEX_SIGNS)
    body = _MINUS.sub("$-$", body)
    return f"% {table.title}\n% {table.note}\n{body}\n"


def comma_separated(table: Table) -> str:
    """The numbers in full; a mean has its deviation, and what it is taken over is counted, in columns beside it."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    wide = [_is_wide(table, column) for column in range(len(table.headers))]
    writer.writerow(
        text
        for header, several in zip(table.headers, wide, strict=True)
        for text in ([header, f"{header} sd", f"{header} {table.counted}"] if several else [header])
    )
    for row in table.rows:
        writer.writerow(text for cell, several in zip(row, wide, strict=True) for text in _csv_cells(cell, several))
    return buffer.getvalue()


def _tabulated(table: Table, form: str, escape: Callable[[str], str] = str) -> str:
    words, numbers = table.text_columns, len(table.headers) - table.text_columns
    return tabulate(
        [[escape(cell_text(cell, table.decimals)) for cell in row] for row in table.rows],
        headers=[escape(header) for header in table.headers],
        tablefmt=form,
        disable_numparse=True,
        colalign=["left"] * words + ["right"] * numbers,
    )


def _number_text(number: float, decimals: int) -> str:
    text = f"{number:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _stat_text(stat: Stat, decimals: int) -> str:
    text = _number_text(stat.mean, decimals)
    if stat.sd is not None:
        text += f" ± {_number_text(stat.sd, decimals)}"
    return text if stat.seeds == stat.planned else f"{text} ({stat.seeds} of {stat.planned})"


def _is_wide(table: Table, column: int) -> bool:
    cells = [row[column] for row in table.rows]
    return any(isinstance(cell, Stat) and cell.planned > 1 for cell in cells)


def _csv_cells(cell: Cell, several: bool) -> list[str]:
    if isinstance(cell, Stat):
        seeds = [_csv_cell(cell.sd), str(cell.seeds)] if several else []
        return [_csv_cell(cell.mean), *seeds]
    return [_csv_cell(cell), "", ""] if several else [_csv_cell(cell)]


def _csv_cell(cell: float | int | str | None) -> str:
    return "" if cell is None else repr(cell) if isinstance(cell, float) else str(cell)
