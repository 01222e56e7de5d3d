"""Print, as Markdown, how plans, runs and methods grow.

python docs/scale_table.py .bench-scale.json        after make bench-scale
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

Found = list[dict[str, Any]]
SHOWN = (2, 4, 6, 8, 10, 12)
"""Stages that are shown of a sequence."""
ROUNDING = 1e-3
"""Megabytes or seconds that nobody would call a difference."""


def line(x: list[float], y: list[float]) -> str:
    """A fitted straight line, and how much of the variation it explains."""
    if max(y) - min(y) < ROUNDING:
        return "the same"
    slope, constant = np.polyfit(x, y, 1)
    residual = np.asarray(y) - (slope * np.asarray(x) + constant)
    explained = 1 - float(np.var(residual)) / float(np.var(y))
    return f"{constant:.3g} {slope:+.3g} n (R² {explained:.3f})"


def growth(found: Found) -> str:
    """What more stages, baselines, seeds or cases make of a plan, one thing at a time."""
    by_what: dict[str, Found] = defaultdict(list)
    for bench in found:
        by_what[bench["what"]].append(bench)
    rows = []
    for what, some in by_what.items():
        columns = [listed(one[name] for one in some) for name in ("number", "jobs", "predictions")]
        fitted = line([one["jobs"] for one in some], [1000 * one["seconds"] for one in some])
        rows.append((what, *columns, "–" if some[0]["jobs"] == some[-1]["jobs"] else fitted))
    return table(rows, ("grown", "to", "jobs", "predictions", "planning, CPU ms, of n jobs"))


def listed(numbers: Iterable[int]) -> str:
    """Numbers beside each other."""
    return ", ".join(map(str, numbers))


def stages(found: Found, name: str, digits: int) -> str:
    """A measure of every method, by stage, with the line through the stages from the second on."""
    by_method: dict[str, dict[int, float]] = defaultdict(dict)
    for one in found[0]["stages"]:
        by_method[one["baseline"]][one["stage"]] = one.get(name, 0.0)
    rows = []
    for method, of in by_method.items():
        later = [stage for stage in of if stage > 1]
        shown = [f"{of[stage]:.{digits}f}" for stage in SHOWN]
        rows.append((method, *shown, line(list(map(float, later)), [of[stage] for stage in later])))
    return table(rows, ("baseline", *(f"stage {stage}" for stage in SHOWN), "fitted to stages 2 to 12"))


def engine(found: Found) -> str:
    """What jobs cost that do nothing."""
    rows = [
        (one["jobs"], f"{one['wall']:.0f}", f"{one['seconds']:.1f}", f"{1000 * one['seconds'] / one['jobs']:.0f}",
         f"{one['engine_mb']:.0f}", f"{one['load']:.1f}")
        for one in found
    ]  # fmt: skip
    return table(rows, ("jobs", "wall s", "CPU s", "CPU ms a job", "largest process MB", "load at the end"))


def commands(found: Found) -> str:
    """What a command costs, its start included."""
    rows = [(one["command"], one["jobs"], f"{one['plan_mb']:.1f}", f"{one['seconds']:.2f}") for one in found]
    return table(rows, ("command", "jobs", "plan.json MB", "CPU s"))


def table(rows: list[tuple[Any, ...]], headers: tuple[str, ...]) -> str:
    """As Markdown."""
    return tabulate(rows, headers, "pipe", disable_numparse=True)


TABLES = {
    "a plan grows": growth, "a command over many jobs": commands, "the engine over jobs that do nothing": engine,
}  # fmt: skip
BY_STAGE = (
    ("remembered_mb", "carried to the next stage: state and kept cases, MB", 3),
    ("peak_mb", "highest memory of the process, MB", 0),
    ("training", "training, CPU s", 2),
    ("evaluation", "evaluation, CPU s", 2),
)


def main(file: Path) -> None:
    """Print every table that the file has something for."""
    found: dict[str, Found] = defaultdict(list)
    for bench in json.loads(file.read_text())["benchmarks"]:
        found[bench["group"]].append(bench["extra_info"] | {"seconds": bench["stats"]["median"]})
    for group, made in TABLES.items():
        if found[group]:
            print(f"**{group}**\n\n{made(found[group])}\n")
    for one in found["a rerun of a finished benchmark"]:
        print(f"a rerun of a finished benchmark: {one['seconds']:.2f} s of CPU\n")
    if sequence := found["a sequence of twelve stages"]:
        for name, words, digits in BY_STAGE:
            print(f"**{words}**\n\n{stages(sequence, name, digits)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
