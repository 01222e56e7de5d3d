"""What a killed writer left half-written is deleted by whoever holds its place next."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from clbench.job import main
from clbench.plan.sealed import plan_bytes
from clbench.store import Store, sweep


@pytest.fixture
def leavings(tmp_path: Path) -> list[Path]:
    """Two half-written files, the second in a folder below."""
    files = [tmp_path / ".resume.pth.123.tmp", tmp_path / "model" / ".checkpoint_final.pth.123.tmp"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"half")
    return files


def test_only_half_written_files_that_match_and_are_old_enough_are_swept(
    tmp_path: Path, leavings: list[Path]
) -> None:
    others = [tmp_path / name for name in ("resume.pth", ".mine.tmp", "a.1.tmp")]
    for file in others:
        file.touch()
    os.utime(leavings[0], (time.time() - 7200,) * 2)

    sweep(tmp_path, "**/.*.tmp", seconds=3600)
    assert [file.exists() for file in leavings] == [False, True]

    sweep(tmp_path, "**/.*.tmp")
    assert not leavings[1].exists()
    assert all(file.exists() for file in others)


def test_a_job_sweeps_its_own_folder_before_it_begins(tiny_run: Any, tmp_path: Path) -> None:
    job = tiny_run.plan.jobs[-1]
    plan = tmp_path / "plan.json"
    plan.write_bytes(plan_bytes(tiny_run.plan.model_copy(update={"store": str(tmp_path / "store")})))
    left = Store(tmp_path / "store").job(job.id).path / "model" / ".checkpoint_final.pth.123.tmp"
    left.parent.mkdir(parents=True)
    left.touch()

    assert _in_a_process(plan, job.id) != 0, "what it needs is not there"

    assert not left.exists()


def _in_a_process(plan: Path, job: str) -> int:
    """The exit code of a job: it gives its process's output away, and keeps its signals."""
    child = os.fork()
    if child == 0:
        os._exit(main(str(plan), job))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
