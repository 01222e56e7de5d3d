"""kill -9 at random moments of a run of ``ci``: of all of it, of the command, or of any one of its processes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from clbench.plan import Plan
from clbench.store import read_sealed
from torture.conftest import Quiet, clbench_processes

LONGEST = 12.0
"""Seconds after which a run is killed at the latest: start, preparation and a few jobs fit in, and hundreds of these
add up to every moment of a run."""


def test_whatever_is_killed_and_whenever_the_rows_are_those_of_the_quiet_run(
    program: Any, quiet: Quiet, request: Any
) -> None:
    kills, draw = request.config.getoption("kills"), random.Random(request.config.getoption("seed"))
    store, run, done = program.folder / "store", program.folder / "run", Counter[str]()
    while done["kill"] < kills:
        victim = draw.choice(("all", "command", "any"))
        process = program.start("run", "ci", "--store", "store", "--out", "run")
        if _killed(process, draw.uniform(0, LONGEST), victim, store, draw):
            done["kill"] += 1
            done[victim] += 1
            _assert_nothing_is_half_written(store, run)
        if process.returncode == 0:
            assert (run / "rows.csv").read_bytes() == quiet.rows
            done["whole run"] += 1
            shutil.rmtree(store)
            shutil.rmtree(run)

    said = program("run", "ci", "--store", "store", "--out", "run")

    assert said.code == 0, said.err
    assert (run / "rows.csv").read_bytes() == quiet.rows
    print(f"\n{dict(done)}")


def _killed(process: subprocess.Popen[str], moment: float, victim: str, store: Path, draw: random.Random) -> bool:
    """Kill something of a run after so many seconds, unless it has ended; see that nothing of it lives on."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment)
        process.communicate()
        return False
    _strike(process, victim, store, draw)
    process.communicate(timeout=300)  # with one job gone, the others are finished
    assert process.returncode in (-signal.SIGKILL, 0, 3, 4), process.returncode
    _assert_no_orphans(store)
    return True


def _strike(process: subprocess.Popen[str], victim: str, store: Path, draw: random.Random) -> None:
    if victim == "all":
        os.killpg(process.pid, signal.SIGKILL)
    elif victim == "command":
        process.kill()
    else:
        living = sorted(_descendants(process.pid))
        with suppress(ProcessLookupError):
            os.kill(draw.choice(living or [process.pid]), signal.SIGKILL)


def _descendants(pid: int) -> set[int]:
    found = set()
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            children = {int(word) for word in file.read_text().split()}
            found |= children.union(*map(_descendants, children))
    return found


def _assert_no_orphans(store: Path) -> None:
    """Neither jobs nor engine nor server outlive the command; they get a moment to notice."""
    end = time.monotonic() + 10
    while (left := clbench_processes(store.parent)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left


def _assert_nothing_is_half_written(store: Path, run: Path) -> None:
    for document in store.glob("jobs/*/*.json"):
        if document.name in ("result.json", "trained.json"):
            read_sealed(document)  # raises if it is not whole
    if (run / "plan.json").exists():
        assert Plan.model_validate_json((run / "plan.json").read_bytes()).jobs
