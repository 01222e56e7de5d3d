"""One table as data, and the names that all tables give to things."""

from __future__ import annotations

import re
from dataclasses import dataclass

from clbench.results.model import BaselineSummary, Stat, Summary

Cell = Stat | float | int | str | None
"""None is a hole, shown as such; an empty text does not apply."""


@dataclass(frozen=True)
class Table:
    """One table with what a reader needs to read it."""

    title: str
    """What it shows."""
    slug: str
    """Its files' name, unique within a report."""
    headers: tuple[str, ...]
    """One per column; CSV files keep them, so a stamp that a whole table needs stands here."""
    rows: tuple[tuple[Cell, ...], ...]
    """Its lines."""
    note: str
    """One sentence on how to read it."""
    section: str = "Dice"
    """The report's section it belongs to."""
    text_columns: int = 1
    """How many columns, from the left, are words rather than numbers."""
    decimals: int = 3
    """Digits after the point."""
    counted: str = "seeds"
    """What its means are taken over, for the columns that count it."""
    key_columns: tuple[int, ...] = ()
    """The columns whose intervals a terminal, which is narrow, shows as well."""


def stamped(entry: BaselineSummary) -> str:
    """A baseline's name as every table shows it."""
    stamps = (("INERT", entry.inert), ("AS-ORIGINAL", entry.as_original))
    return " ".join((entry.name, *(word for word, applies in stamps if applies)))


def several_orders(summary: Summary) -> bool:
    """Whether the tasks were learnt in more than one order."""
    return len(summary.benchmark.orders) > 1


def counted(summary: Summary) -> str:
    """What a mean over seeds and orders is taken over."""
    return "replicates" if several_orders(summary) else "seeds"


def labels(summary: Summary) -> dict[str, str]:
    """Baseline → its name as every table shows it."""
    scratch = {"from-scratch": "from-scratch AS-ORIGINAL"} if summary.benchmark.as_original else {}
    return scratch | {entry.name: stamped(entry) for entry in summary.baselines}


def slug_of(*words: str) -> str:
    """A file's name made of words that may hold brackets, equals signs or spaces."""
    return "-".join(re.sub(r"[^A-Za-z0-9.]+", "-", word).strip("-.") for word in words)
