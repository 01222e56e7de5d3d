"""Runs that are killed or stopped, and started again."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clbench.plan import Plan
from clbench.store import read_sealed

pytestmark = pytest.mark.slow

KILLS = 10


def _moments(seconds: float) -> Iterator[float]:
    """Moments of a run of so many seconds, in no order; ten of them lie one in each tenth of it."""
    draw = random.Random(0)
    while True:
        for tenth in draw.sample(range(10), 10):
            yield (tenth + draw.random()) / 10 * seconds


def test_a_run_whose_process_group_is_killed_at_ten_random_moments_ends_with_the_same_rows(
    program: Any, undisturbed: Any
) -> None:
    command = (*undisturbed.words, "--store", "store", "--out", "run")
    store, run, kills = program.folder / "store", program.folder / "run", 0
    moments = _moments(undisturbed.seconds)
    for _ in range(5 * KILLS):
        process = program.start(*command)
        if _killed(process, next(moments)):
            kills += 1
            _assert_nothing_is_half_written(store, run)
        else:
            assert process.returncode == 0
            assert (run / "rows.csv").read_bytes() == undisturbed.rows
            shutil.rmtree(store)  # it was done before its moment came: begin anew
        if kills == KILLS:
            break
    assert kills == KILLS

    said = program(*command)

    assert said.code == 0, said.err
    assert (run / "rows.csv").read_bytes() == undisturbed.rows


def _killed(process: subprocess.Popen[str], moment: float) -> bool:
    """Whether the process group was still there to be killed after so many seconds."""
    try:
        process.communicate(timeout=moment)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        return True


def _assert_nothing_is_half_written(store: Path, run: Path) -> None:
    for document in store.glob("jobs/*/*.json"):
        if document.name in ("result.json", "trained.json"):
            read_sealed(document)  # raises if it is not whole
    if (run / "plan.json").exists():
        assert Plan.model_validate_json((run / "plan.json").read_bytes()).jobs


def test_a_run_that_is_asked_to_stop_ends_with_143_and_the_same_command_resumes_it(
    program: Any, undisturbed: Any
) -> None:
    store = Path(shutil.copytree(undisturbed.store, program.folder / "store"))
    for later in store.glob("jobs/stage[23]-*/"):
        shutil.rmtree(later)
    assert len(_done(store)) == 4
    command = (*undisturbed.words, "--store", "store", "--out", "run")
    process = program.start(*command)
    program.until(lambda: len(_done(store)) >= 5)

    process.terminate()
    first = program.ended(process)

    assert first.code == 143
    assert first.err.splitlines()[-1] == "stopped; nothing is lost: the same command goes on from here"
    assert first.out == "", "tables of half a run are in nobody's way"
    done = _done(store)
    assert 5 <= len(done) < 10

    second = program(*command)

    assert second.code == 0, second.err
    assert second.err.startswith(f"{10 - len(done)} of 10 jobs to do, {len(done)} cached, on ")
    assert (program.folder / "run" / "rows.csv").read_bytes() == undisturbed.rows
    assert done.items() <= _done(store).items(), "what was done was left alone"


def _done(store: Path) -> dict[str, int]:
    """The jobs that have a result, and when they got it."""
    return {path.parent.name: path.stat().st_mtime_ns for path in store.glob("jobs/*/result.json")}
