"""Cases in this process or in forked ones: the same results, the same reports, and where each of them runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clbench.errors import MissingEnvironment
from clbench.job.case_work import UnusableTaskCase
from clbench.job.pool import case_pool, each
from clbench.job.progress import Progress
from clbench.store import JobFolder

either = pytest.mark.parametrize("threads", [1, 2], ids=["in process", "forked"])


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(tmp_path)


def square(number: int) -> int:
    return number * number


def process_and_progress(folder: JobFolder) -> tuple[int, int]:
    """The process that does this call, and how many calls are reported as done while it is made."""
    told = folder.progress
    return os.getpid(), json.loads(told.read_text())["done"] if told.exists() else 0


def keep(folder: JobFolder, number: int) -> int:
    """A case that leaves a file, or can't be used if its number is odd."""
    if number % 2:
        raise UnusableTaskCase(f"case {number} is odd")
    (folder.path / f"kept{number}").touch()
    return number


def full(folder: JobFolder, number: int) -> int:
    """A case that finds the disk full if its number is 1."""
    (folder.path / f"begun{number}").touch()
    if number == 1:
        raise MissingEnvironment("the disk is full")
    return number


def killed(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@either
def test_results_come_in_the_order_of_the_work(threads: int, folder: JobFolder) -> None:
    with case_pool(threads) as pool:
        assert each(pool, square, [(n,) for n in range(9)], Progress(folder, 9), "squaring") == [
            0, 1, 4, 9, 16, 25, 36, 49, 64,
        ]  # fmt: skip
    assert json.loads(folder.progress.read_text()) == {"done": 9, "of": 9, "doing": "squaring"}


@either
def test_unusable_cases_are_reported_together_and_the_others_are_done(threads: int, folder: JobFolder) -> None:
    with case_pool(threads) as pool, pytest.raises(MissingEnvironment) as caught:
        each(pool, keep, [(folder, n) for n in range(5)], Progress(folder, 5), "keeping")

    assert str(caught.value).splitlines() == [
        "case 1 is odd",
        "case 3 is odd",
        "the other 3 cases are kept; the same command goes on from here",
    ]
    assert sorted(path.name for path in folder.path.glob("kept*")) == ["kept0", "kept2", "kept4"]
    assert json.loads(folder.progress.read_text())["done"] == 5


@either
def test_any_other_error_ends_the_work_at_once(threads: int, folder: JobFolder) -> None:
    with case_pool(threads) as pool, pytest.raises(MissingEnvironment, match=r"^the disk is full$"):
        each(pool, full, [(folder, n) for n in range(50)], Progress(folder, 50), "filling")

    assert json.loads(folder.progress.read_text())["done"] == 1
    assert not (folder.path / "begun49").exists()


def test_one_thread_is_this_process_and_progress_is_told_after_each_call(folder: JobFolder) -> None:
    with case_pool(1) as pool:
        seen = each(pool, process_and_progress, [(folder,)] * 3, Progress(folder, 3), "looking")

    assert seen == [(os.getpid(), 0), (os.getpid(), 1), (os.getpid(), 2)]


def test_several_threads_are_as_many_other_processes_at_most(folder: JobFolder) -> None:
    with case_pool(2) as pool:
        seen = each(pool, process_and_progress, [(folder,)] * 6, Progress(folder, 6), "looking")

    assert os.getpid() not in {process for process, _ in seen}
    assert len({process for process, _ in seen}) <= 2


def test_a_forked_process_that_is_killed_is_reported_with_the_likely_cause(folder: JobFolder) -> None:
    with pytest.raises(MissingEnvironment, match=r"want of memory \(2 worked side by side\)"), case_pool(2) as pool:
        each(pool, killed, [(0,)], Progress(folder, 1), "dying")


ASKED_IN_THE_SECOND_CASE = """
import os, signal, sys
from pathlib import Path
from clbench.job.stopping import Stopped, heed
heed()  # before numpy starts threads, which inherit that the signal is blocked
from clbench.job.pool import case_pool, each
from clbench.job.progress import Progress
from clbench.store import JobFolder
def case(number):
    print(number, flush=True)
    if number == 1:
        os.kill(os.getpid(), signal.SIGUSR1)
with case_pool(1) as pool:
    try:
        each(pool, case, [(0,), (1,), (2,)], Progress(JobFolder(Path(sys.argv[1])), 3), "preparing")
    except Stopped as error:
        print(error)
"""


def test_a_job_with_one_thread_that_is_asked_to_stop_finishes_the_case_at_hand(tmp_path: Path) -> None:
    program = [sys.executable, "-c", ASKED_IN_THE_SECOND_CASE, str(tmp_path)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)

    said = "stopped at preparing, since its time is nearly up; the same command goes on from there"
    assert done.stdout.splitlines() == ["0", "1", said]
