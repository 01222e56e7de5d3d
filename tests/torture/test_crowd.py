"""Several runs at once: on one folder, and of overlapping benchmarks with one store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from torture.conftest import Quiet

OVERLAP = """
name: overlap
version: 1
title: The same tasks, budget and seed as ci, and one baseline more
extends: ci
protocols:
  from-scratch: {}
  joint: {budgets: [full]}
  continual: {baselines: [finetune, ewc, replay, l2]}
"""


@pytest.mark.parametrize("many", [2, 8])
def test_runs_on_one_folder_take_turns_and_nothing_is_done_twice(
    many: int, program: Any, quiet: Quiet, alone: None
) -> None:
    started = [program.start("run", "ci", "--store", "store", "--out", "run") for _ in range(many)]

    ends = [program.ended(process) for process in started]

    assert [end.code for end in ends] == [0] * many, [end.err for end in ends]
    assert sum("nothing to do" in end.err for end in ends) == many - 1
    assert (program.folder / "run" / "rows.csv").read_bytes() == quiet.rows


@pytest.mark.parametrize("many", [2, 8])
def test_runs_that_share_a_store_train_nothing_twice_and_come_to_the_same_rows(
    many: int, program: Any, quiet: Quiet, tmp_path: Path, alone: None
) -> None:
    suite = tmp_path / "suite"
    (suite / "benchmark").mkdir(parents=True)
    (suite / "benchmark" / "overlap.yaml").write_text(OVERLAP)
    names = [("ci", "overlap")[i % 2] for i in range(many)]
    started = [
        program.start("run", name, "--suite", suite, "--store", "store", "--out", f"run{i}")
        for i, name in enumerate(names)
    ]

    ends = [program.ended(process) for process in started]

    assert [end.code for end in ends] == [0] * many, [end.err for end in ends]
    for i, name in enumerate(names):
        rows = (program.folder / f"run{i}" / "rows.csv").read_bytes()
        assert rows == (quiet.rows if name == "ci" else (program.folder / "run1" / "rows.csv").read_bytes())
    assert all(_trainings(log) == 1 for log in (program.folder / "store").glob("jobs/stage*/log.txt"))


def _trainings(log: Path) -> int:
    """How often a job's training came to its last epoch."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("epoch ")]
    last = {line.split(":")[0] for line in lines if (place := line.split()[1].rstrip(":").split("/"))[0] == place[1]}
    return sum(line.split(":")[0] in last for line in lines)


