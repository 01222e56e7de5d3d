"""Runs that are stopped and started again; tests/torture/test_kills.py kills them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


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
