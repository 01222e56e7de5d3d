"""Tidy tables as CSV files: frozen rows of one kind, a column per field, in one canonical form."""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import MISSING, fields
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from clbench.errors import ClbenchError, Problem
from clbench.inflate import inflated
from clbench.store import write_atomic

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")
MOST = 2**30
"""Bytes of the largest table that is read from a compressed file."""


def needed_columns(kind: type[DataclassInstance]) -> tuple[str, ...]:
    """The columns that every file has: the fields without a default; the last one is the measurement."""
    return tuple(field.name for field in fields(kind) if field.default is MISSING)


def columns_of(kind: type[R], rows: Collection[R]) -> dict[str, Any]:
    """The types of the columns of a file of these rows; a field with a default is one where a row says otherwise."""
    types = get_type_hints(kind)
    optional = [field for field in fields(kind) if field.default is not MISSING]
    said = [field.name for field in optional if any(getattr(row, field.name) != field.default for row in rows)]
    return {name: types[name] for name in (*needed_columns(kind), *said)}


def sorted_rows(kind: type[R], rows: Iterable[R]) -> list[R]:
    """Rows by their columns.

    Raises:
        ValueError: two rows measure the same thing: they differ in nothing but the last column.
    """
    identity = attrgetter(*needed_columns(kind)[:-1])
    ordered = sorted(rows, key=identity)
    for former, latter in pairwise(ordered):
        if identity(former) == identity(latter):
            raise ValueError(f"measured twice: {latter}")
    return ordered


def write_table(path: Path, kind: type[R], rows: Iterable[R]) -> None:
    """Write rows sorted by their columns, floats in full; equal rows in any order give the same bytes.

    A path that ends in ``.gz`` is compressed.

    Raises:
        ValueError: two rows measure the same thing.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    ordered = sorted_rows(kind, rows)
    columns = columns_of(kind, ordered)
    writer.writerow(columns)
    writer.writerows([_cell(column, getattr(row, name)) for name, column in columns.items()] for row in ordered)
    content = buffer.getvalue().encode("utf-8")
    write_atomic(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _cell(column: Any, value: str | float | None) -> str:
    if value is None:
        return ""
    # Adding 0.0 gives zero and negative zero, which are equal, one spelling.
    return str(value) if column in (str, int) else repr(float(value) + 0.0)


def read_table(path: Path, kind: type[R]) -> tuple[R, ...]:
    """Read what ``write_table`` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ClbenchError: a wrong header or a bad cell, named by file, line and column.
    """
    return parse_table(path, path.read_bytes(), kind)


def parse_table(path: Path, content: bytes, kind: type[R]) -> tuple[R, ...]:
    """Rows from the bytes of a file; ``path`` says whether they are compressed, and names them in errors.

    Raises:
        ClbenchError: a wrong header or a bad cell, named by file, line and column.
    """
    reader = csv.reader(io.StringIO(_text(path, content), newline=""))
    try:
        columns = _header(path, kind, next(reader, []))
        return tuple(_row(path, reader.line_num, kind, columns, cells) for cells in reader)
    except csv.Error as error:
        raise ClbenchError(f"{path}:{reader.line_num}: {error}") from None


def _text(path: Path, content: bytes) -> str:
    try:
        return (inflated(content, MOST) if path.suffix == ".gz" else content).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ClbenchError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    except ValueError as error:
        raise ClbenchError(f"{path}: damaged ({error})") from None


def _header(path: Path, kind: type[R], header: list[str]) -> dict[str, Any]:
    types, needed = get_type_hints(kind), needed_columns(kind)
    if tuple(header) not in (needed, tuple(field.name for field in fields(kind))):
        raise ClbenchError(f"{path}:1: the header is {','.join(header)!r}; it must be {','.join(needed)!r}")
    return {name: types[name] for name in header}


def _row(path: Path, line: int, kind: type[R], columns: dict[str, Any], cells: Sequence[str]) -> R:
    if len(cells) != len(columns):
        raise ClbenchError(f"{path}:{line}: {len(cells)} cells; there must be {len(columns)}")
    values = [_value(path, line, *named) for named in zip(columns.items(), cells, strict=True)]
    try:
        return kind(*values)
    except ValueError as error:
        raise ClbenchError(f"{path}:{line}: {error}") from None


def _value(path: Path, line: int, column: tuple[str, Any], cell: str) -> object:
    name, kind = column
    parser, wanted = _PARSERS[kind]
    try:
        return parser(cell)
    except ValueError:
        raise ClbenchError(str(Problem(path, line, name, f"{cell!r} is no {wanted}"))) from None


def _finite(cell: str) -> float:
    number = float(cell)
    if not math.isfinite(number):
        raise ValueError(cell)
    return number


_PARSERS: dict[Any, tuple[Callable[[str], object], str]] = {
    str: (str, "text"),
    int: (int, "whole number"),
    float: (_finite, "finite number"),
    float | None: (
        lambda cell: _finite(cell) if cell else None, "finite number (leave it empty where it is undefined)",
    ),
}  # fmt: skip
