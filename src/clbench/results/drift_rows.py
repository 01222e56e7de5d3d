"""The tables of representation drift: similarities of layers, and places on a map; each row names its job."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TypeVar, get_type_hints

from clbench.errors import ClbenchError, Problem
from clbench.store import write_atomic

Against = str
"""``own``: the network right after the task's own stage. ``previous``: the one after the stage before."""


@dataclass(frozen=True, slots=True)
class StageRow:
    """Which network a row is about."""

    benchmark: str
    """Name of the benchmark."""
    version: int
    """Its version."""
    protocol: str
    """``continual`` or ``cumulative``."""
    baseline: str
    """Name of the baseline."""
    seed: int
    """Seed of the training."""
    order: int
    """Which order of the sequence, from 1."""
    stage: int
    """The stage after which the network was looked at, from 1."""
    job: str
    """Id of the job that trained it, by which the row is known to belong to a plan."""

    @property
    def place(self) -> tuple[str, int, int, int]:
        """Baseline, seed, order and stage."""
        return self.baseline, self.seed, self.order, self.stage


@dataclass(frozen=True, slots=True)
class DriftRow(StageRow):
    """How alike a layer represents the voxels of a task in two networks."""

    task: str
    """Whose voxels they are."""
    against: str
    """``own``: with the network right after the task's own stage; ``previous``: with the one a stage earlier."""
    against_stage: int
    """The stage of that network."""
    depth: int
    """The layer's place in the trunk, from 0."""
    layer: str
    """``encoder.N`` or ``decoder.N``, as nnU-Net counts them."""
    samples: int
    """How many voxels."""
    cka: float | None
    """Linear CKA; None where a layer gives the same for all voxels."""


@dataclass(frozen=True, slots=True)
class MapRow(StageRow):
    """Where t-SNE puts a voxel of a task."""

    layer: str
    """The layer whose features they are."""
    task: str
    """Whose voxel it is."""
    point: int
    """Number of the voxel within its task."""
    x: float
    """Its place on the map."""
    y: float
    """Its place on the map."""


R = TypeVar("R", DriftRow, MapRow)


def write_table(path: Path, kind: type[R], rows: Iterable[R]) -> None:
    """Write rows sorted by their columns, floats in full; the same rows give the same bytes."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_columns(kind))
    ordered = sorted(rows, key=lambda row: astuple(row)[:-1])
    writer.writerows([repr(v) if isinstance(v, float) else "" if v is None else v for v in astuple(row)]
                     for row in ordered)  # fmt: skip
    write_atomic(path, buffer.getvalue().encode("utf-8"))


def read_table(path: Path, kind: type[R]) -> tuple[R, ...]:
    """Read what ``write_table`` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ClbenchError: a wrong header or a bad cell, named by file, line and column.
    """
    try:
        reader = csv.reader(io.StringIO(path.read_bytes().decode("utf-8"), newline=""))
    except UnicodeDecodeError as error:
        raise ClbenchError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    header, wanted = next(reader, []), _columns(kind)
    if header != wanted:
        raise ClbenchError(f"{path}:1: the header is {','.join(header)!r}; it must be {','.join(wanted)!r}")
    return tuple(_parsed(path, reader.line_num, kind, cells) for cells in reader)


def _columns(kind: type[R]) -> list[str]:
    return [field.name for field in fields(kind)]


def _parsed(path: Path, line: int, kind: type[R], cells: list[str]) -> R:
    columns, types = _columns(kind), get_type_hints(kind)
    if len(cells) != len(columns):
        raise ClbenchError(f"{path}:{line}: {len(cells)} cells; there must be {len(columns)}")
    values = [_cell(path, line, name, types[name], cell) for name, cell in zip(columns, cells, strict=True)]
    return kind(*values)  # type: ignore[arg-type]


def _cell(path: Path, line: int, column: str, wanted: type, cell: str) -> object:
    if wanted == float | None and not cell:
        return None
    try:
        return wanted(cell) if wanted in (str, int) else float(cell)
    except ValueError:
        raise ClbenchError(str(Problem(path, line, column, f"{cell!r} is no number"))) from None
