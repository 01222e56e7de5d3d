"""The same benchmark again: elsewhere, at the same time, and where it is done already."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Pair:
    """Two runs that were started on one folder at the same time, with a store that was empty."""

    folder: Path
    first_pid: int
    first: Any
    second: Any


@pytest.fixture(scope="module")
def pair(small_suite: Path, undisturbed: Any, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Two runs at once, the first of them with one job at a time."""
    program = undisturbed.program_in(tmp_path_factory.mktemp("elsewhere"))
    command = ("run", "small", "--suite", small_suite)
    first = program.start(*command, "--jobs", 1)
    run = program.folder / "reports" / "small"
    program.until(lambda: (run / ".holder.json").exists())
    second = program.start(*command)
    return Pair(run, first.pid, program.ended(first), program.ended(second))


def test_two_folders_two_stores_and_another_number_of_jobs_give_byte_identical_rows(
    pair: Pair, undisturbed: Any
) -> None:
    assert (pair.first.code, pair.first.err.count("\n")) == (0, undisturbed.said.err.count("\n"))
    assert (pair.folder / "rows.csv").read_bytes() == undisturbed.rows


def test_a_second_run_on_a_folder_says_who_holds_it_waits_and_then_has_nothing_to_do(pair: Pair) -> None:
    waiting, nothing = pair.second.err.splitlines()

    assert pair.second.code == 0
    assert waiting.startswith(f"reports/small is in use by process {pair.first_pid} on ")
    assert waiting.endswith("; waiting until it ends")
    assert nothing == "nothing to do: all 10 jobs are cached"
    assert pair.second.out == pair.first.out


def test_a_run_that_is_done_is_not_done_again(program: Any, undisturbed: Any) -> None:
    store = Path(shutil.copytree(undisturbed.store, program.folder / "store"))
    before = _files(store)

    said = program(*undisturbed.words, "--store", store, "--out", "run")

    assert said.code == 0
    assert said.err == "nothing to do: all 10 jobs are cached\n"
    assert _files(store) == before, "no log, no checkpoint, nothing was touched"
    assert (program.folder / "run" / "rows.csv").read_bytes() == undisturbed.rows


def _files(store: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file of every job."""
    paths = [path for path in (store / "jobs").rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}
