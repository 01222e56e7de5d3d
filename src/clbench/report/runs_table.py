"""One table over several runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clbench.report.table import Cell, Table, stamped
from clbench.results.model import BaselineSummary, Summary
from clbench.results.records import BenchmarkInfo
from clbench.results.stat import Stat

NOTE = (
    "Final Dice is the mean over all tasks at the end with its 95 % interval, BWT the mean change of the earlier "
    "tasks since they were learnt, forgetting their mean fall from their best; – is a hole."
)


@dataclass(frozen=True)
class Looked:
    """A run's folder and what was found there.

    Attributes:
        folder: as it was named.
        summary: what the run measured; None where that can't be said.
        problem: why not, or which results are missing; empty for a whole run.
    """

    folder: Path
    summary: Summary | None
    problem: str


def runs_table(runs: Sequence[Looked]) -> Table:
    """A line for every baseline of every run."""
    holes = [f"{one.folder}: {one.problem.removeprefix(f'{one.folder}: ')}" for one in runs if one.problem]
    return Table(
        title="Runs",
        slug="runs",
        headers=(
            *("run", "benchmark", "seeds", "revision", "date", "baseline"),
            *("final Dice ↑", "BWT ↑", "forgetting ↓"),
        ),
        rows=tuple(row for one in runs for row in _rows(one)),
        note=" ".join((NOTE, *(f"{hole}." for hole in holes))),
        text_columns=6,
        key_columns=(6,),
    )


def runs_json(runs: Iterable[Looked]) -> str:
    """The same for a program, every number with all that is known of it."""
    return json.dumps([_entry(one) for one in runs], indent=1)


def _rows(one: Looked) -> list[tuple[Cell, ...]]:
    if one.summary is None:
        return [(str(one.folder), *[None] * 8)]
    info, origin = one.summary.benchmark, one.summary.provenance
    seeds = " ".join(map(str, info.seeds))
    place = (str(one.folder), _name(info), seeds, origin.get("revision"), origin.get("date"))
    return [(*place, stamped(entry), entry.final.mean, *_changes(entry)) for entry in one.summary.baselines]


def _name(info: BenchmarkInfo) -> str:
    return f"{info.name} v{info.version}" + (f" SUBSET of {info.mark}" if info.subset_of else "")


def _changes(entry: BaselineSummary) -> tuple[Cell, Cell]:
    """BWT and forgetting; empty for what does not learn one task after another."""
    return (entry.metrics.backward_transfer, entry.metrics.forgetting) if entry.staged else ("", "")


def _entry(one: Looked) -> dict[str, Any]:
    found: dict[str, Any] = {"folder": str(one.folder), "problem": one.problem or None}
    if one.summary is None:
        return found
    info, origin = one.summary.benchmark, one.summary.provenance
    return found | {
        "benchmark": info.name, "version": info.version, "seeds": info.seeds, "as_original": info.as_original,
        "subset_of": info.subset_of and info.subset_of.model_dump(),
        "revision": origin.get("revision"), "date": origin.get("date"),
        "baselines": [_numbers(entry) for entry in one.summary.baselines],
    }  # fmt: skip


def _numbers(entry: BaselineSummary) -> dict[str, Any]:
    metrics = entry.metrics
    values: dict[str, Stat | None] = {
        "final_dice": entry.final.mean, "backward_transfer": metrics.backward_transfer,
        "forgetting": metrics.forgetting,
    }  # fmt: skip
    numbers = {name: value and value.model_dump(mode="json") for name, value in values.items()}
    return {"name": entry.name, "protocol": entry.protocol, "inert": entry.inert, **numbers}
