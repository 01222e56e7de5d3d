"""The long table that every number is drawn from: one row per measurement, in one canonical form."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clbench.errors import MissingEnvironment
from clbench.results.tidy import needed_columns, read_table, write_table

PROTOCOLS = ("from-scratch", "joint", "cumulative", "continual", "transfer")


@dataclass(frozen=True, slots=True)
class StageRow:
    """What a row says of the network that it is about."""

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


@dataclass(frozen=True, slots=True)
class Row(StageRow):
    """One measurement of one label of one case.

    Raises:
        ValueError: the protocol is none of ``PROTOCOLS``, a number is not finite, or a name has a line break.
    """

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


COLUMNS = needed_columns(Row)
"""The columns of every file of rows; one of a shrunk definition has ``subset_of`` too."""


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as ``tidy.write_table`` does.

    Raises:
        ValueError: two rows measure the same thing.
    """
    write_table(path, Row, rows)


def read_rows(path: Path) -> tuple[Row, ...]:
    """Read what ``write_rows`` wrote.

    Raises:
        MissingEnvironment: there is no such file.
        ClbenchError: a wrong header or a bad cell, named by file, line and column.
    """
    try:
        return read_table(path, Row)
    except FileNotFoundError:
        raise MissingEnvironment(f"{path}: no such file; `clbench run` writes it") from None
