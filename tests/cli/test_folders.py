"""Folders that cannot be written, and disks that are full."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("option", ["--out", "--store"])
@pytest.mark.parametrize(
    ("place", "said"),
    [("/proc/nowhere", "cannot be made there"), ("a file", "a file"), ("a file/below", "is a file, not a folder")],
)
def test_a_folder_that_cannot_be_made_ends_a_run_with_4_and_says_what_to_do(
    call: Any, small_suite: Path, tmp_path: Path, option: str, place: str, said: str
) -> None:
    (tmp_path / "a file").write_text("kept")

    code, out, err = call("run", "small", "--suite", small_suite, option, place)

    assert (code, out) == (4, "")
    message = err.splitlines()[-1]
    assert message.startswith("error: ")
    assert place in message
    assert said in message
    assert "choose another folder" in message
    assert (tmp_path / "a file").read_text() == "kept"


def _fill(disk: Path, leave: int = 0) -> None:
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - leave))
    assert shutil.disk_usage(disk).free == leave


def test_a_full_output_folder_ends_a_run_with_4_before_anything_is_done(
    program: Any, small_suite: Path, disk: Path
) -> None:
    _fill(disk)

    said = program("run", "small", "--suite", small_suite, "--out", disk / "run", "--store", "store")

    assert said.code == 4
    assert said.err.startswith(f"error: {disk / 'run'}: cannot write: the disk is full; free some space.")
    assert not list(disk.rglob("*.json"))


@pytest.mark.slow
def test_a_report_that_the_disk_has_no_room_for_leaves_the_old_one_whole(
    program: Any, undisturbed: Any, disk: Path
) -> None:
    for file in ("plan.json", "rows.csv", "report.md"):
        (disk / file).write_bytes((undisturbed.folder / file).read_bytes())
    _fill(disk)

    said = program("report", disk)

    assert said.code == 4
    assert "the disk is full" in said.err
    assert (disk / "rows.csv").read_bytes() == undisturbed.rows
    assert sorted(path.name for path in disk.iterdir() if path.is_file()) == [
        "filler", "plan.json", "report.md", "rows.csv",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_store_that_fills_up_fails_the_job_in_words_and_after_freeing_space_the_same_command_completes(
    program: Any, undisturbed: Any, disk: Path
) -> None:
    store = Path(shutil.copytree(undisturbed.store, disk / "store"))
    last = next((store / "jobs").glob("stage3-mini-kidney-replay-*/"))
    shutil.rmtree(last)
    _fill(disk, leave=2**16)  # less than a checkpoint needs
    command = (*undisturbed.words, "--store", store, "--out", "run")

    first = program(*command)

    assert first.code == 3
    assert f"    error: {store}: cannot write: the disk is full; free some space." in first.err.splitlines()[-3]
    assert first.err.splitlines()[-1] == "1 failed; the same command tries again"
    assert not (last / "result.json").exists()
    assert not list(last.rglob("checkpoint*")), "nothing is half-written"
    (disk / "filler").unlink()
    second = program(*command)
    assert second.code == 0, second.err
    assert second.err.startswith("1 of 10 jobs to do, 9 cached")
    assert (program.folder / "run" / "rows.csv").read_bytes() == undisturbed.rows
