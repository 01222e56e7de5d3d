"""What a fuzz campaign read and found, as a table; ends with 1 if there is anything to mend: ``found.py DIR``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tabulate import tabulate


def main(folder: Path) -> int:
    """Print a line for each reader, then each finding."""
    counts = {file.parent.name: json.loads(file.read_text()) for file in sorted(folder.glob("*/count.json"))}
    rows = [(name, count["inputs"], count["found"]) for name, count in counts.items()]
    total = ("all", sum(row[1] for row in rows), sum(row[2] for row in rows))
    print(tabulate([*rows, total], ["reader", "inputs", "found"], "github", intfmt=","))
    ended = [file for kind in ("oom", "timeout", "crash") for file in folder.glob(f"*/{kind}-*")]
    found = [*folder.glob("*/found-*.txt"), *ended]
    for file in found:
        print(f"{file}: {file.read_text() if file.suffix == '.txt' else 'ended the process'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
