"""The long table that every number is drawn from: one row per measurement, in one canonical form."""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from itertools import pairwise
from operator import attrgetter
from pathlib import Path

from clbench.errors import ClbenchError, MissingEnvironment, Problem
from clbench.inflate import inflated
from clbench.store import write_atomic

MOST = 2**30
"""Bytes of the largest table that is read from a compressed file."""
PROTOCOLS = ("from-scratch", "joint", "cumulative", "continual", "transfer")


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement of one label of one case.

    Raises:
        ValueError: the protocol is none of ``PROTOCOLS``, a number is not finite, or a name has a line break.
    """

    benchmark: str
    """Name of the benchmark."""
    version: int
    """Version of the benchmark; rows of different versions are never mixed."""
    protocol: str
    """One of ``PROTOCOLS``."""
    baseline: str
    """Name of the baseline; ``from-scratch``, ``joint``, ``joint-equal`` and ``cumulative`` for those protocols."""
    seed: int
    """Seed of the training."""
    order: int
    """Which order of the sequence, from 1."""
    stage: int
    """Stage after which it was measured, from 1."""
    trained_on: str
    """The stage's task; for joint and cumulative training the names joined by ``+``."""
    fraction: float
    """Share of the training cases that was used, in (0, 1]."""
    epoch: int
    """Epochs trained in this stage when it was measured."""
    task: str
    """The task that was measured."""
    case: str
    """The validation case."""
    label: str
    """The label's name."""
    metric: str
    """``dice``, ``nsd``, ``hd95_mm``, ``predicted_ml`` or ``reference_ml``."""
    value: float | None
    """The measurement; None where the metric is undefined (Dice with reference and prediction both empty)."""
    subset_of: str = ""
    """Name and version of the definition that the benchmark extends and shrinks, such as ``mini-organs v1``."""

    def __post_init__(self) -> None:
        """Refuse what cannot be read back as it was written."""
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"protocol {self.protocol!r} is none of {', '.join(PROTOCOLS)}")
        names = self.benchmark, self.baseline, self.trained_on, self.task, self.case, self.label, self.metric
        if any("\n" in name or "\r" in name for name in names):
            raise ValueError(f"a name has a line break: {names}")
        for name, number in (("fraction", self.fraction), ("value", self.value)):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{name} is {number}; an undefined measurement has no value (None)")


MARK = "subset_of"
"""The last column of a file whose rows are of a shrunk definition; others do not have it."""

COLUMNS = tuple(field.name for field in fields(Row) if field.name != MARK)

_identity = attrgetter(*COLUMNS[:-1])
"""All that says what was measured."""


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows sorted by their columns, floats in full; equal rows in any order give the same bytes.

    A path that ends in ``.gz`` is compressed. Where a row has a mark, there is a column for it.

    Raises:
        ValueError: two rows measure the same thing.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    ordered = sorted_rows(rows)
    columns = columns_of(ordered)
    writer.writerow(columns)
    writer.writerows([_cell(column, getattr(row, column)) for column in columns] for row in ordered)
    content = buffer.getvalue().encode("utf-8")
    write_atomic(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def read_rows(path: Path) -> tuple[Row, ...]:
    """Read what ``write_rows`` wrote.

    Raises:
        MissingEnvironment: there is no such file.
        ClbenchError: a wrong header or a bad cell, named by file, line and column.
    """
    try:
        return parse_rows(path, path.read_bytes())
    except FileNotFoundError:
        raise MissingEnvironment(f"{path}: no such file; `clbench run` writes it") from None


def parse_rows(path: Path, content: bytes) -> tuple[Row, ...]:
    """Rows from the bytes of a file; ``path`` says whether they are compressed, and names them in errors.

    Raises:
        ClbenchError: a wrong header or a bad cell, named by file, line and column.
    """
    try:
        text = (inflated(content, MOST) if path.suffix == ".gz" else content).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ClbenchError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    except ValueError as error:
        raise ClbenchError(f"{path}: damaged ({error})") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    columns = _header(path, next(reader, []))
    return tuple(_parse_row(path, reader.line_num, columns, cells) for cells in reader)


def columns_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """The columns of a file of these rows."""
    return (*COLUMNS, MARK) if any(row.subset_of for row in rows) else COLUMNS


def sorted_rows(rows: Iterable[Row]) -> list[Row]:
    """Rows by their columns.

    Raises:
        ValueError: two rows measure the same thing.
    """
    ordered = sorted(rows, key=_identity)
    for former, latter in pairwise(ordered):
        if _identity(former) == _identity(latter):
            raise ValueError(f"measured twice: {latter}")
    return ordered


def _cell(column: str, value: str | float | None) -> str:
    if value is None:
        return ""
    # Adding 0.0 gives zero and negative zero, which are equal, one spelling.
    return repr(float(value) + 0.0) if column in ("fraction", "value") else str(value)


def _header(path: Path, header: list[str]) -> tuple[str, ...]:
    if tuple(header) not in (COLUMNS, (*COLUMNS, MARK)):
        expected = ",".join(COLUMNS)
        raise ClbenchError(f"{path}:1: the header is {','.join(header)!r}; it must be {expected!r}")
    return tuple(header)


def _parse_row(path: Path, line: int, columns: tuple[str, ...], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        raise ClbenchError(f"{path}:{line}: {len(cells)} cells; there must be {len(columns)}")
    values = [_parse(path, line, *named) for named in zip(columns, cells, strict=True)]
    try:
        return Row(*values)  # type: ignore[arg-type]
    except ValueError as error:
        raise ClbenchError(f"{path}:{line}: {error}") from None


def _parse(path: Path, line: int, column: str, cell: str) -> object:
    parser, wanted = _PARSERS.get(column, (str, "text"))
    try:
        return parser(cell)
    except ValueError:
        message = f"{cell!r} is no {wanted}"
        raise ClbenchError(str(Problem(path, line, column, message))) from None


def _optional_float(cell: str) -> float | None:
    return float(cell) if cell else None


_WHOLE: tuple[Callable[[str], object], str] = (int, "whole number")
_PARSERS: dict[str, tuple[Callable[[str], object], str]] = {
    **dict.fromkeys(("version", "seed", "order", "stage", "epoch"), _WHOLE),
    "fraction": (float, "number"),
    "value": (_optional_float, "number (leave it empty where the metric is undefined)"),
}
