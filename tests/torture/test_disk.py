"""Disks that fill up at any write, and clocks that are set."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from torture.conftest import Quiet

RUN = ("run", "ci", "--store", "disk/store", "--out", "disk/run")
TWELFTHS = (1, 3, 5, 7, 9, 11)


@pytest.fixture
def disk_of(program: Any) -> Iterator[Any]:
    """Makes a file system of its own at ``disk`` in the program's folder."""
    folder = program.folder / "disk"
    folder.mkdir()

    def mount(*words: object) -> Path:
        command = ["mount", *map(str, words), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"{' '.join(command)}: {done.stderr.strip()}")
        return folder

    yield mount
    subprocess.run(["umount", "--lazy", folder], capture_output=True)


@pytest.mark.parametrize("twelfths", TWELFTHS)
def test_a_disk_that_fills_up_at_any_write_is_said_and_with_more_room_the_same_command_completes(
    twelfths: int, program: Any, quiet: Quiet, disk_of: Any
) -> None:
    disk_of("-t", "tmpfs", "-o", f"size={int(quiet.megabytes * 1000 * twelfths / 12)}k", "tmpfs")

    full = program(*RUN)

    assert full.code in (3, 4), f"exit code {full.code}: {full.err}"
    assert "no space left" in full.err.lower() or "disk" in full.err.lower(), full.err
    assert "Traceback" not in full.err
    disk_of("-o", "remount,size=2g")
    said = program(*RUN)
    assert said.code == 0, said.err
    assert (program.folder / "disk/run/rows.csv").read_bytes() == quiet.rows


@pytest.mark.parametrize("hours", [-36, 36])
def test_a_clock_that_was_set_is_no_reason_to_do_anything_again(
    hours: int, program: Any, quiet: Quiet, fresh: Path
) -> None:
    store, shift = Path(shutil.copytree(quiet.store, fresh / "store")), hours * 3600
    for path in store.rglob("*"):
        os.utime(path, (time.time() + shift,) * 2)
    lost = next(store.glob("jobs/stage3-*"))
    shutil.rmtree(lost)

    said = program("run", "ci", "--store", store, "--out", "run")

    assert said.code == 0, said.err
    assert said.err.startswith("1 of "), said.err
    assert (program.folder / "run" / "rows.csv").read_bytes() == quiet.rows
