"""A table of scores as people and programs write it: where its names are, and what its numbers mean."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clbench.errors import ClbenchError
from clbench.results.matrix import Matrix, Vector

HOLES = {"", "-", "–", "—", "nan", "na", "n/a", "none", "null"}
STAGE_WORDS = {
    "", "#", "after", "experience", "index", "no", "nr", "phase", "row", "session", "stage", "stages", "step",
    "steps", "stufe", "t", "unnamed: 0",
}  # fmt: skip
"""What the corner cell of a table says whose lines are stages."""
TASK_WORDS = {"aufgabe", "dataset", "datasets", "domain", "domains", "organ", "organs", "task", "tasks"}
"""What it says if they are tasks."""
STAGE_NAME = re.compile(r"(after|experience|nach|session|stage|step|stufe|s|t)?[ _.-]*\d+", re.IGNORECASE)
AVERAGES = {"acc", "average", "avg", "mean", "mittel", "all"}
ROUNDED = 1e-6
"""How far above 1 a sum in floating point may come; it is 1."""


@dataclass(frozen=True)
class Table:
    """A file's cells, parted into names and numbers.

    Attributes:
        file: where it is.
        columns: the names above the numbers; empty if there are none.
        lines: the names before them; empty if there are none.
        cells: the numbers as texts.
        places: the file's line number of each of ``cells``.
        first: the file's number of their first column.
        corner: what stands above the names of the lines.
        comma: whether a comma separates decimals.
    """

    file: Path
    columns: tuple[str, ...]
    lines: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    places: tuple[int, ...]
    first: int
    corner: str
    comma: bool

    def where(self, line: int, column: int) -> str:
        """The place of a number, for messages: file, line, column and their names."""
        names = [names[at] for names, at in ((self.lines, line), (self.columns, column)) if at < len(names)]
        named = f" ({', '.join(names)})" if names else ""
        return f"{self.file}:{self.places[line]}: column {self.first + column}{named}"


def read_table(path: Path) -> Table:
    """Find a file's names and numbers.

    Raises:
        ClbenchError: it is no text, or there is no line of numbers in it.
    """
    text = _text(path)
    delimiter = _delimiter(text)
    rows = [(n, [cell.strip() for cell in cells]) for n, cells in enumerate(_split(text, delimiter), 1)]
    rows = [(n, cells) for n, cells in rows if any(cells)]
    comma = delimiter != "," and any(re.fullmatch(r"-?\d+,\d+ ?%?", cell) for _, cells in rows for cell in cells)
    if comma:
        rows = [(n, [_with_point(cell) for cell in cells]) for n, cells in rows]
    header = bool(rows) and _is_header(rows[0][1], [cells for _, cells in rows[1:]])
    body = rows[1:] if header else rows
    if not body:
        raise ClbenchError(f"{path}: no line of numbers in it; line i, column j is the score of task j after stage i")
    top = rows[0][1] if header else []
    index = int(_has_index(top, [cells for _, cells in body]))
    return Table(
        path, tuple(top[index:]), tuple(cells[0] for _, cells in body) if index else (),
        tuple(tuple(cells[index:]) for _, cells in body), tuple(n for n, _ in body), index + 1,
        top[0].lower() if top and index else "", comma,
    )  # fmt: skip


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClbenchError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None


def _delimiter(text: str) -> str:
    """What separates cells: what all lines have equally often, else what is most frequent, else blanks."""
    lines = [line for line in text.splitlines() if line.strip()]
    for mark in ";\t,":
        counts = {line.count(mark) for line in lines}
        if len(counts) == 1 and counts != {0}:
            return mark
    mark = max(",;\t", key=text.count)
    return mark if mark in text else " "


def _split(text: str, delimiter: str) -> list[list[str]]:
    if delimiter != " ":
        return list(csv.reader(text.splitlines(), delimiter=delimiter))
    lines = text.splitlines()
    blanks = all(is_number(cell) for line in lines for cell in line.split())
    return [line.split() if blanks else [line] for line in lines]


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if re.fullmatch(r"-?\d+,\d+ ?%?", cell) else cell


def bare(cell: str) -> str:
    """A number's digits, without its per cent sign."""
    return cell.strip().rstrip("%").strip()


def is_number(cell: str) -> bool:
    """Whether a cell is a finite number."""
    try:
        return math.isfinite(float(bare(cell)))
    except ValueError:
        return False


def is_hole(cell: str) -> bool:
    """Whether a cell says that there is no number."""
    return bare(cell).lower() in HOLES


def _is_name(cell: str) -> bool:
    return not is_number(cell) and not is_hole(cell)


def _counting(cells: Sequence[str]) -> bool:
    """Whether cells count 0, 1, 2, … or 1, 2, 3, …"""
    return bool(cells) and any([str(start + k) for k in range(len(cells))] == list(cells) for start in (0, 1))


def _is_header(top: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether the first line has names: text and no fractions, or numbers that only count columns."""
    names = [cell for cell in top if _is_name(cell)]
    if names and all(_is_name(cell) or is_hole(cell) for cell in top):
        return True
    firsts = [cells[0] for cells in below if cells]
    other_corner = not is_number(top[0]) and (top[0].lower() in STAGE_WORDS | TASK_WORDS or _counting(firsts))
    if other_corner and len(top) > 1 and _counting(top[1:]):
        return True
    return any(map(_is_name, top[1:])) and all(_is_name(c) or is_hole(c) or c.isdigit() for c in top)


def _has_index(top: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether the first column has names, or numbers that only count lines."""
    firsts = [cells[0] for cells in body]
    if all(map(_is_name, firsts)):
        return True
    if not _counting(firsts):
        return False
    if top:
        return top[0].lower() in STAGE_WORDS | TASK_WORDS
    widths = {len(cells) for cells in body}
    return widths == {len(body) + 1}  # without it, there are as many columns as lines


def numbers(table: Table) -> Matrix:
    """The table's numbers as they are written; None for a hole.

    Raises:
        ClbenchError: a cell is none, or lines are of different lengths.
    """
    wanted = len(table.columns) or len(table.cells[0])
    found = []
    for line, cells in enumerate(table.cells):
        values = tuple(_number(table.where(line, column), cell) for column, cell in enumerate(cells))
        if len(values) != wanted:
            place = f"{table.file}:{table.places[line]}"
            raise ClbenchError(f"{place}: {len(values)} numbers where there are {wanted} tasks")
        found.append(values)
    return tuple(found)


def _number(place: str, cell: str) -> float | None:
    if is_hole(cell):
        return None
    if not is_number(cell):
        raise ClbenchError(f"{place}: {cell!r} is no number; leave a hole empty")
    return float(bare(cell))


def fractions(table: Table, matrix: Matrix, percent: bool) -> tuple[Matrix, bool]:
    """The numbers as fractions, and whether they were percentages.

    Args:
        table: where the numbers come from.
        matrix: ``numbers`` of it.
        percent: whether it is known that they are percentages; otherwise they are where all have a per cent sign, or
            where all but zeros are above 1.

    Raises:
        ClbenchError: a number is out of range, or it can't be told what it means.
    """
    present = list(_present(table, matrix))
    signed = [place for place, cell, _ in present if "%" in cell]
    if signed and len(signed) < len(present) and not percent:
        place, cell, _ = next(entry for entry in present if "%" not in entry[1])
        raise ClbenchError(f"{place}: {cell!r} has no per cent sign and other numbers have; write all of them alike")
    percent = percent or bool(signed) or max((value for *_, value in present), default=0.0) > 1 + ROUNDED
    top = 100.0 if percent else 1.0
    for place, cell, value in present:
        if not 0 <= value <= top * (1 + ROUNDED):
            raise ClbenchError(f"{place}: {cell!r} is no score, which is from 0 to 1 or from 0 % to 100 %")
    if percent and not signed:
        _require_one_meaning(present)
    return tuple(tuple(None if v is None else min(v / top, 1.0) for v in line) for line in matrix), percent


def _present(table: Table, matrix: Matrix) -> Iterator[tuple[str, str, float]]:
    """Place, text and value of every number."""
    for line, values in enumerate(matrix):
        for column, value in enumerate(values):
            if value is not None:
                yield table.where(line, column), table.cells[line][column], value


def _require_one_meaning(present: Sequence[tuple[str, str, float]]) -> None:
    """Refuse numbers some of which could be fractions where others can't.

    Raises:
        ClbenchError: there are such.
    """
    small = [(place, cell) for place, cell, value in present if 0 < value <= 1]
    large = [cell for _, cell, value in present if value > 1]
    if small and large:
        place, cell = small[0]
        raise ClbenchError(
            f"{place}: {cell!r} beside {large[0]!r}: it can't be told whether it is a fraction or a percentage; "
            "write all numbers as fractions, or with per cent signs"
        )


def lines_are_tasks(table: Table, matrix: Matrix) -> bool:
    """Whether lines are tasks and columns are stages, by what the table says or else by where its holes are.

    Raises:
        ClbenchError: it looks so and does not say so.
    """
    said = _said(table)
    if said is not None:
        return said
    if len(matrix) != len(matrix[0]):
        return False
    below, above = _sides(matrix)
    looks = bool(below) and all(v is None for v in below) and any(v is not None for v in above)
    zeros = bool(below) and all(v == 0 for v in below) and any(above)
    named = table.corner in STAGE_WORDS - {""} and bool(table.lines)
    if (looks or zeros) and not named:
        what = "a hole" if looks else "0"
        raise ClbenchError(
            f"{table.where(1, 0)}: {what}, like all scores of tasks that were learnt before, while later tasks have "
            "scores: are lines tasks here? Line i must be after stage i; transpose it, or name the first column stage"
        )
    return False


def _said(table: Table) -> bool | None:
    """What names say of lines and columns; None if nothing."""
    staged = [bool(names) and all(map(STAGE_NAME.fullmatch, names)) for names in (table.lines, table.columns)]
    if table.corner in STAGE_WORDS - {""}:
        return False
    if staged[1] and table.lines and not staged[0]:
        return True
    return True if table.corner in TASK_WORDS and staged[1] and not _counting(table.columns) else None


def _sides(matrix: Matrix) -> tuple[Vector, Vector]:
    """What is below the diagonal, and what is above it."""
    size = range(len(matrix))
    below = tuple(matrix[i][j] for i in size for j in size if i > j)
    return below, tuple(matrix[i][j] for i in size for j in size if i < j)
