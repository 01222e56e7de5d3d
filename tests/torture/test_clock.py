"""Clocks that are set, before a run goes on and while it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from command_line import Undisturbed
from torture.conftest import FEW
from torture.moments import Life

HOUR = 3600


@pytest.mark.parametrize("hours", [-36, 36])
def test_a_clock_that_was_set_is_no_reason_to_do_anything_again(
    hours: int, program: Any, few: Undisturbed, tmp_path: Path
) -> None:
    store = Path(shutil.copytree(few.store, tmp_path / "store"))
    for path in store.rglob("*"):
        os.utime(path, (time.time() + hours * HOUR,) * 2)
    lost = next(path for path in store.glob("jobs/stage2-*-replay-*") if path.is_dir())
    shutil.rmtree(lost)

    said = program(*FEW, "--store", store, "--out", "run")

    assert said.code == 0, said.err
    assert said.err.startswith(f"1 of {few.jobs} jobs to do"), said.err
    assert (program.folder / "run" / "rows.csv").read_bytes() == few.rows


@pytest.fixture(scope="module")
def settable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that sets the clock of the programs that it is preloaded in; files keep the times they were given."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    library = tmp_path_factory.mktemp("clock") / "set_clock.so"
    source = Path(__file__).with_name("set_clock.c")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_while_a_run_trains_changes_no_number(
    hours: int, program: Any, few: Undisturbed, settable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shift = tmp_path / "shift"
    shift.write_text("0")
    monkeypatch.setenv("LD_PRELOAD", str(settable))
    monkeypatch.setenv("SHIFT", str(shift))
    since = time.time()
    process = program.start(*FEW, "--store", "store", "--out", "run")
    life = Life(process, tmp_path, few.jobs, since)

    program.until(lambda: "training" in life.phases or process.poll() is not None, program.patience)
    shift.write_text(str(hours * HOUR))
    said = program.ended(process)

    assert said.code == 0, said.err
    assert (tmp_path / "run" / "rows.csv").read_bytes() == few.rows
