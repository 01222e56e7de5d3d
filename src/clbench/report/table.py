"""One table as data, and the names that all tables give to things."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from clbench.definitions.protocols import BESIDE
from clbench.results.model import BaselineSummary, Summary
from clbench.results.stat import Stat

STAMPS = re.compile(r"(?: (?:INERT|AS-ORIGINAL))+$")
"""What ``stamped`` puts behind a baseline's name."""

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
    common: Mapping[str, object] = field(default_factory=dict)
    """What all rows of ``rows.csv`` behind its numbers have in common, where its words do not say it."""


def stamped(entry: BaselineSummary) -> str:
    """A baseline's name as every table shows it."""
    stamps = (("INERT", entry.inert), ("AS-ORIGINAL", entry.as_original))
    return " ".join((entry.name, *(word for word, applies in stamps if applies)))


def bare(label: str) -> str:
    """A baseline's name without its stamps, which stand before the name of a schedule."""
    name, beside, schedule = label.partition(BESIDE)
    return f"{STAMPS.sub('', name)}{beside}{schedule}"


def stamps_of(label: str) -> str:
    """The stamps in a baseline's name."""
    found = STAMPS.search(label.partition(BESIDE)[0])
    return found[0].strip() if found else ""


def several_orders(summary: Summary) -> bool:
    """Whether the tasks were learnt in more than one order."""
    return len(summary.benchmark.orders) > 1


def order_words(summary: Summary, order: int) -> tuple[str, tuple[str, ...]]:
    """What a title and, for ``slug_of``, a file's name say of an order; nothing where there is only one."""
    return (f", order {order}", (f"order-{order}",)) if several_orders(summary) else ("", ())


def staged(summary: Summary) -> list[BaselineSummary]:
    """The baselines that learn one task after another."""
    return [entry for entry in summary.baselines if entry.staged]


def counted(summary: Summary) -> str:
    """What a mean over seeds and orders is taken over."""
    return "replicates" if several_orders(summary) else "seeds"


def labels(summary: Summary) -> dict[str, str]:
    """Baseline, or its fine-tuning on a schedule → its name as every table shows it."""
    scratch = {"from-scratch": "from-scratch AS-ORIGINAL"} if summary.benchmark.as_original else {}
    names = scratch | {entry.name: stamped(entry) for entry in summary.baselines}
    pairs = [name.partition(BESIDE) for name in summary.benchmark.tuned]
    return names | {
        f"{backbone}{beside}{schedule}": f"{names.get(backbone, backbone)}{beside}{schedule}"
        for backbone, beside, schedule in pairs
    }


def slug_of(*words: str) -> str:
    """A file's name made of words that may hold brackets, equals signs or spaces."""
    return "-".join(re.sub(r"[^A-Za-z0-9.]+", "-", word).strip("-.") for word in words)
