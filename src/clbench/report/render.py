"""How a table looks: on a terminal, in Markdown, in LaTeX and as CSV."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Callable, Collection, Sequence

from tabulate import tabulate

from clbench.report.table import Cell, Table
from clbench.results.stat import Stat

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
        "≤": r"$\leq$",
        "−": "$-$",
        "×": r"$\times$",
        "Σ": r"$\Sigma$",
        "Ω": r"$\Omega$",
        "|": r"\textbar{}",
        "…": r"\dots{}",
        "’": "'",
        "·": r"$\cdot$",
        "“": "``",
        "”": "''",
    }
)


def cell_text(cell: Cell, decimals: int, spread: bool = True) -> str:
    """A cell as people read it: ``0.712 [0.68, 0.74]``, with ``(2 of 3)`` where replicates are missing.

    Args:
        cell: what stands there.
        decimals: digits after the point.
        spread: whether a mean has its interval; one that has none has its deviation, ``0.712 ± 0.010``.
    """
    if cell is None:
        return HOLE
    if isinstance(cell, Stat):
        return _stat_text(cell, decimals, spread)
    return _number_text(cell, decimals) if isinstance(cell, float) else " ".join(str(cell).split())


def terminal(table: Table) -> str:
    """Title, table and note as plain text; intervals in the table's key columns only."""
    body = _tabulated(table, "simple", spread=table.key_columns)
    note = textwrap.fill(table.note, TERMINAL_WIDTH)
    return f"{table.title}\n\n{body}\n\n{note}\n"


def markdown(table: Table) -> str:
    """The table alone, for a page that gives it a heading and its note."""
    return _tabulated(table, "pipe", lambda text: text.replace("|", r"\|")) + "\n"


def latex(table: Table) -> str:
    """A booktabs ``tabular``; title and note stand before it as comments."""
    body = _tabulated(table, "latex_booktabs").translate(_LATEX_SIGNS)
    body = _MINUS.sub("$-$", body)
    return f"% {_one_line(table.title)}\n% {_one_line(table.note)}\n{_known_to_latex(body)}\n"


def _one_line(text: str) -> str:
    return _known_to_latex(" ".join(text.split()))


def _known_to_latex(text: str) -> str:
    """The text without what LaTeX has no letter for: signs that others put into names or messages."""
    return "".join(sign if sign.isascii() or (sign.isalpha() and sign <= "ſ") else "?" for sign in text)


def comma_separated(table: Table) -> str:
    """The numbers in full; beside a mean stand deviation and count of what it is taken over, and its interval."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    beside = [_beside(table, column) for column in range(len(table.headers))]
    writer.writerow(
        text
        for header, names in zip(table.headers, beside, strict=True)
        for text in (header, *(f"{header} {name}" for name in names))
    )
    for row in table.rows:
        writer.writerow(text for cell, names in zip(row, beside, strict=True) for text in _csv_cells(cell, names))
    return buffer.getvalue()


def _tabulated(
    table: Table, form: str, escape: Callable[[str], str] = str, spread: Collection[int] | None = None
) -> str:
    """With intervals in some columns, or in all."""
    words, numbers = table.text_columns, len(table.headers) - table.text_columns
    shown = range(len(table.headers)) if spread is None else spread
    return tabulate(
        [
            [escape(cell_text(cell, table.decimals, column in shown)) for column, cell in enumerate(row)]
            for row in table.rows
        ],
        headers=[escape(header) for header in table.headers],
        tablefmt=form,
        disable_numparse=True,
        colalign=["left"] * words + ["right"] * numbers,
    )


def _number_text(number: float, decimals: int) -> str:
    text = f"{number:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _stat_text(stat: Stat, decimals: int, spread: bool) -> str:
    text = _number_text(stat.mean, decimals) + (_spread_text(stat, decimals) if spread else "")
    alone = spread and stat.interval is not None and stat.interval.seeds == 1
    count = f"{stat.seeds} of {stat.planned}{', cases only' if alone else ''}"
    return text if stat.seeds == stat.planned else f"{text} ({count})"


def _spread_text(stat: Stat, decimals: int) -> str:
    """Ends of an interval have a digit less: they are less sure than the mean."""
    if stat.interval is not None:
        low, high = (_number_text(end, decimals - 1) for end in (stat.interval.low, stat.interval.high))
        return f" [{low}, {high}]"
    return "" if stat.sd is None else f" ± {_number_text(stat.sd, decimals)}"


def _beside(table: Table, column: int) -> tuple[str, ...]:
    """What a CSV file has beside a column's means."""
    stats = [row[column] for row in table.rows if isinstance(row[column], Stat)]
    several = any(isinstance(stat, Stat) and stat.planned > 1 for stat in stats)
    sure = any(isinstance(stat, Stat) and stat.interval is not None for stat in stats)
    return (*(("sd", table.counted) if several else ()), *(("low", "high") if sure else ()))


def _csv_cells(cell: Cell, names: Sequence[str]) -> list[str]:
    """A cell and what stands beside it, empty where it has no such thing."""
    if not isinstance(cell, Stat):
        return [_csv_cell(cell), *("" for _ in names)]
    low, high = (cell.interval.low, cell.interval.high) if cell.interval else (None, None)
    found = {"sd": cell.sd, "low": low, "high": high}
    return [_csv_cell(cell.mean), *(_csv_cell(found.get(name, cell.seeds)) for name in names)]


def _csv_cell(cell: float | int | str | None) -> str:
    return "" if cell is None else repr(cell) if isinstance(cell, float) else str(cell)
