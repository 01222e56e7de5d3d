"""Print, as Markdown, what each method's training step costs beside fine-tuning's.

python docs/cost_table.py .bench.json        after make bench-methods
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

from tabulate import tabulate

EPOCHS = 25
"""Of a stage of mini-organs; the bench times one."""


def medians(file: Path) -> dict[str, dict[str, float]]:
    """Group → what was timed → median in ms."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for bench in json.loads(file.read_text())["benchmarks"]:
        found[bench["group"]][bench["param"] or bench["name"]] = 1000 * bench["stats"]["median"]
    return found


def step_table(times: dict[str, float]) -> str:
    """Medians and their ratio to fine-tuning's, the cheapest first."""
    rows = [(name, f"{ms:.1f}", f"{ms / times['finetune']:.2f}") for name, ms in times.items()]
    rows.sort(key=lambda row: float(row[2]))
    return tabulate(rows, ("baseline", "step, median ms", "ratio"), "pipe", disable_numparse=True)


def update_table(times: dict[str, float], convolutions: float) -> str:
    """What a method adds to an update, beside a step with its convolutions."""
    plain = times["finetune"]
    rows = [
        (name, f"{ms:.0f}", f"{ms - plain:+.0f}", f"{(convolutions + ms) / (convolutions + plain):.3f}")
        for name, ms in times.items()
    ]
    headers = ("baseline", "update, median ms", "added, ms", "ratio of whole steps")
    return tabulate(rows, headers, "pipe", disable_numparse=True)


def main(file: Path) -> None:
    """Print every table."""
    found = medians(file)
    for group, times in found.items():
        if group.startswith("embedded"):
            print(f"{group}\n\n{step_table(times)}\n")
        elif group.endswith("update alone"):
            (convolutions,) = found["31 million parameters, forward and backward"].values()
            print(f"{group}; forward and backward {convolutions:.0f} ms\n\n{update_table(times, convolutions)}\n")
        elif group.startswith("Fisher"):
            print(f"Fisher of a stage / its training: {times['fisher'] / (EPOCHS * times['training']):.3f}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
