"""A job without memory, one that is killed, one that hangs: its chain fails with the reason, the others are done."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from command_line import Undisturbed
from torture.moments import descendants

RUN = ("run", "ci", "--store", "store", "--out", "run")
VICTIM = "stage2-mini-spleen-replay"
LOST = (VICTIM, "stage3-mini-kidney-replay", "stage3-mini-kidney-ewc")
"""What is to be done: a chain whose first stage meets a fault, and a stage of another."""


@pytest.fixture
def partly(program: Any, quiet: Undisturbed) -> Any:
    """The command line where three stages of ``ci`` are to be done."""
    shutil.copytree(quiet.store, program.folder / "store")
    for name in LOST:
        shutil.rmtree(next(path for path in program.folder.glob(f"store/jobs/{name}-*") if path.is_dir()))
    return program


def _address_space(pid: int) -> None:
    """No byte more than it has."""
    taken = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.prlimit(pid, resource.RLIMIT_AS, (taken, taken))


@pytest.fixture
def memory_group() -> Iterator[Callable[[int], None]]:
    """Puts a process into a group of 1 MB, where the kernel kills what wants more."""
    root = Path("/sys/fs/cgroup/memory")
    group, limit = root / "clbench-torture", "memory.limit_in_bytes"
    if not (root / limit).exists():
        root, limit = Path("/sys/fs/cgroup"), "memory.max"
        group = root / "clbench-torture"
    try:
        group.mkdir()
        (group / limit).write_text(str(2**20))
    except OSError as error:
        pytest.skip(f"no group of processes with a limit of memory can be made: {error}")
    yield lambda pid: (group / "cgroup.procs").write_text(str(pid)) and None
    group.rmdir()


def test_a_job_at_its_limit_of_memory_fails_with_that_reason(partly: Any, quiet: Undisturbed, alone: None) -> None:
    reason = "out of memory training stage 2 with replay|can't be read .*; if it is whole, memory was short"
    _assert_only_its_chain_fails(partly, quiet, _address_space, reason)


def test_a_job_that_the_kernel_kills_for_memory_is_asked_whether_memory_was_short(
    partly: Any, quiet: Undisturbed, memory_group: Callable[[int], None], alone: None
) -> None:
    _assert_only_its_chain_fails(partly, quiet, memory_group, r"was killed by signal 9; was memory short\?")


def test_a_job_that_is_killed_fails_with_the_signal(partly: Any, quiet: Undisturbed, alone: None) -> None:
    _assert_only_its_chain_fails(partly, quiet, lambda pid: os.kill(pid, signal.SIGKILL), "was killed by signal 9")


def test_a_job_that_is_stopped_is_ended_when_its_time_is_up(partly: Any, quiet: Undisturbed, alone: None) -> None:
    reason = "killed by signal 14: it took longer than --time-limit allows"
    _assert_only_its_chain_fails(partly, quiet, lambda pid: os.kill(pid, signal.SIGSTOP), reason, "--time-limit", 1)


def _assert_only_its_chain_fails(
    program: Any, quiet: Undisturbed, fault: Callable[[int], None], reason: str, *options: object
) -> None:
    process = program.start(*RUN, *options)
    program.until(lambda: bool(_trains(process.pid)) or process.poll() is not None, program.patience)
    fault(_trains(process.pid)[0])

    said = program.ended(process)

    assert said.code == 3, said.err
    assert said.err.endswith("1 failed, 1 not tried because they need what failed; the same command tries again\n")
    failed = said.err.partition("failed: replay · stage 2 · mini-spleen · seed 0\n")[2]
    assert re.search(reason, failed), said.err
    assert list(program.folder.glob(f"store/jobs/{LOST[-1]}-*/result.json")), "the other chain went on"
    again = program(*RUN)
    assert again.code == 0, again.err
    assert again.err.startswith("2 of 15 jobs to do, 13 cached"), again.err
    assert (program.folder / "run" / "rows.csv").read_bytes() == quiet.rows


def _trains(command: int) -> list[int]:
    """The process of the victim, once it has trained an epoch: its output is its log."""
    found = []
    for pid in descendants(command):
        with suppress(OSError):
            log = Path(os.readlink(f"/proc/{pid}/fd/1"))
            if log.parent.name.startswith(VICTIM) and "\nepoch 1/" in log.read_text():
                found.append(pid)
    return sorted(found)
