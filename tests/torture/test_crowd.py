"""Several runs at once: on one folder, and of overlapping benchmarks with one store."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from command_line import Undisturbed
from torture.conftest import FEW, SUITE, left_in, litter

pytestmark = pytest.mark.parametrize("many", [2, 8], ids=["two", "eight"])


def test_runs_on_one_folder_take_turns_and_nothing_is_done_twice(
    many: int, program: Any, few: Undisturbed, temporary: Path, alone: None
) -> None:
    started = [program.start(*FEW, "--store", "store", "--out", "run") for _ in range(many)]

    ends = [program.ended(process) for process in started]

    assert [end.code for end in ends] == [0] * many, [end.err for end in ends]
    assert sum("nothing to do" in end.err for end in ends) == many - 1
    assert (program.folder / "run" / "rows.csv").read_bytes() == few.rows
    _assert_done_once_and_tidy(program.folder, temporary)


def test_runs_that_share_a_store_train_nothing_twice_and_come_to_the_same_rows(
    many: int, program: Any, few: Undisturbed, temporary: Path, alone: None
) -> None:
    names = [("few", "overlap")[i % 2] for i in range(many)]
    started = [
        program.start("run", name, "--suite", SUITE, "--store", "store", "--out", f"run{i}")
        for i, name in enumerate(names)
    ]

    ends = [program.ended(process) for process in started]

    assert [end.code for end in ends] == [0] * many, [end.err for end in ends]
    for i, name in enumerate(names):
        rows = (program.folder / f"run{i}" / "rows.csv").read_bytes()
        assert rows == (few.rows if name == "few" else (program.folder / "run1" / "rows.csv").read_bytes())
    _assert_done_once_and_tidy(program.folder, temporary)


def _assert_done_once_and_tidy(folder: Path, temporary: Path) -> None:
    """Every job began once, every epoch was trained once, no half-written file is left."""
    for log in folder.glob("store/jobs/*/log.txt"):
        lines = log.read_text().splitlines()
        epochs = Counter(line.split(":")[0] for line in lines if line.startswith("epoch "))
        assert sum(bool(re.match(r"\d{4}-\d\d-\d\d ", line)) for line in lines) == 1, f"{log} says: {lines}"
        assert set(epochs.values()) <= {1}, f"{log} says: {lines}"
    assert not litter(folder)
    assert not left_in(temporary)
