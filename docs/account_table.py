"""Print, as Markdown, where the CPU time of a run and of one of its stages went.

python docs/account_table.py .bench-account.json        after make bench-account
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tabulate import tabulate

TRAINING = ("patches cut and batched", "augmentation", "forward", "loss", "backward", "clipping and optimiser",
            "method", "loop")  # fmt: skip


def of_the_work(part: str) -> bool:
    """Whether a part is what the run is for."""
    return part in TRAINING or part.startswith("evaluation")


def shares(parts: dict[str, float], head: str, unit: str = "s", per_second: int = 1, digits: int = 1) -> str:
    """Time and shares, the largest first, and the whole."""
    whole = sum(parts.values())
    rows = [(name, parts[name]) for name in sorted(parts, key=lambda name: -parts[name])]
    rows.append(("all of it", whole))
    told = [(name, f"{per_second * s:,.{digits}f}", f"{100 * s / whole:.1f} %") for name, s in rows]
    return tabulate(told, (head, f"CPU {unit}", "share"), "pipe", disable_numparse=True)


def main(file: Path) -> None:
    """Print both tables of the run with one job at a time, and what two brought."""
    runs: dict[int, dict[str, Any]] = {}
    for bench in json.loads(file.read_text())["benchmarks"]:
        runs[bench["params"]["jobs"]] = bench["extra_info"] | {"wall": bench["stats"]["min"]}
    one = runs[min(runs)]
    whole, work = sum(one["run"].values()), sum(s for part, s in one["run"].items() if of_the_work(part))
    print(shares(one["run"], "a whole run"))
    print(f"\ntraining and evaluation: {100 * work / whole:.1f} %\n")
    print(shares(one["stage"], f"{one['job']}, {one['iterations']} iterations", "ms", 1000, 0))
    for jobs, run in sorted(runs.items()):
        cpu = sum(run["run"].values())
        print(f"\n{jobs} at a time: wall {run['wall']:.1f} s, CPU {cpu:.1f} s, load before {run['load']:.2f}", end="")
    print(f"\nwall of one / wall of two: {runs[1]['wall'] / runs[2]['wall']:.2f}" if {1, 2} <= set(runs) else "")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
