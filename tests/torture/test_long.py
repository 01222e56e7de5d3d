"""The same benchmark over and over: memory, handles, files and rows stay what they are."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from torture.conftest import Quiet, clbench_processes


@dataclass(frozen=True)
class Load:
    """The most that the processes of one run held together.

    Attributes:
        megabytes: resident memory, shared pages counted in each process.
        handles: open files.
        left: entries of the temporary folders and of shared memory after it.
    """

    megabytes: float
    handles: int
    left: int


def test_memory_handles_and_files_do_not_grow_from_run_to_run_and_rows_stay_equal(
    program: Any, quiet: Quiet, request: Any, alone: None
) -> None:
    end = time.monotonic() + 60 * request.config.getoption("minutes")
    loads: list[Load] = []
    while time.monotonic() < end or len(loads) < 4:
        loads.append(_repeat(program))
        assert (program.folder / "run" / "rows.csv").read_bytes() == quiet.rows
        for folder in ("store", "run"):
            shutil.rmtree(program.folder / folder)

    half = len(loads) // 2
    print(f"\n{len(loads)} runs; first {loads[0]}, last {loads[-1]}")
    for what, slack in (("megabytes", 1.03), ("handles", 1.05), ("left", 1.0)):
        early, late = (median(getattr(load, what) for load in part) for part in (loads[:half], loads[half:]))
        assert late <= early * slack, f"{what} grew from {early} to {late}"


def _repeat(program: Any) -> Load:
    process, memory, handles = program.start("run", "ci", "--store", "store", "--out", "run"), 0.0, 0
    while process.poll() is None:
        held = [_held(pid) for pid in clbench_processes(program.folder) | {process.pid}]
        memory = max(memory, sum(megabytes for megabytes, _ in held))
        handles = max(handles, sum(files for _, files in held))
        time.sleep(0.2)
    said = program.ended(process)
    assert said.code == 0, said.err
    return Load(memory, handles, sum(1 for _ in _litter()))


def _held(pid: int) -> tuple[float, int]:
    """Resident megabytes and open files of a process; nothing if it has ended."""
    with suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir(f"/proc/{pid}/fd"))
    return 0.0, 0


def _litter() -> Iterator[str]:
    """What lies in the temporary folder and in shared memory."""
    for folder in (tempfile.gettempdir(), "/dev/shm"):
        if os.path.isdir(folder):
            yield from os.listdir(folder)
