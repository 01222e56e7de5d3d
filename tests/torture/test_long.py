"""The same benchmark over and over: memory, handles, files and rows stay what they are."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from command_line import Undisturbed
from torture.conftest import abandoned, forget, left_in, living


@dataclass(frozen=True)
class Load:
    """What the processes of one run held together: the median over its moments, for the peak is one of chance.

    Attributes:
        megabytes: resident memory; pages that several share are counted in each.
        handles: open files.
        left: entries of the temporary folder, and abandoned ones of shared memory, after it.
    """

    megabytes: float
    handles: float
    left: int


def test_memory_handles_and_files_do_not_grow_from_run_to_run_and_rows_stay_equal(
    program: Any, tortured: Undisturbed, temporary: Path, request: Any, alone: None
) -> None:
    end, loads = time.monotonic() + 60 * request.config.getoption("minutes"), list[Load]()
    while time.monotonic() < end or len(loads) < 2:
        loads.append(_repeat(program, tortured, temporary))
        assert (program.folder / "run" / "rows.csv").read_bytes() == tortured.rows
        forget(program.folder)

    half = len(loads) // 2
    print(f"\n{len(loads)} runs; first {loads[0]}, last {loads[-1]}")
    for what, slack in (("megabytes", 1.05), ("handles", 1.05), ("left", 1.0)):
        early, late = (median(getattr(load, what) for load in part) for part in (loads[:half], loads[half:]))
        print(f"{what}: median of the first half {early:g}, of the second {late:g}")
        assert late <= early * slack, f"{what} grew from {early} to {late}"


def _repeat(program: Any, tortured: Undisturbed, temporary: Path) -> Load:
    process, moments = program.start(*tortured.words, "--store", "store", "--out", "run"), []
    while process.poll() is None:
        held = [_held(pid) for pid in living(program.folder)]
        moments.append((sum(megabytes for megabytes, _ in held), sum(files for _, files in held)))
        time.sleep(0.2)
    said = program.ended(process)
    assert said.code == 0, said.err
    memory, handles = (median(values) for values in zip(*moments, strict=True))
    return Load(memory, handles, len(left_in(temporary)) + len(abandoned()))


def _held(pid: int) -> tuple[float, int]:
    """Resident megabytes and open files of a process; nothing if it has ended."""
    with suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir(f"/proc/{pid}/fd"))
    return 0.0, 0
