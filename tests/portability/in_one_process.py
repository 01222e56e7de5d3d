"""Does every job of some plans in one process: ``in_one_process.py PLAN...``.

For emulated processors: user-mode QEMU can't fork a process that has threads, and importing torch under it takes most
of a minute.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpuinfo.cpuinfo import CPUID  # type: ignore[import-untyped]

from clbench.job import main, preload
from clbench.plan import Job, Plan
from clbench.plan.sealed import read_plan_file
from clbench.store import Store

VENDOR = "processor of "
"""Precedes the vendor, as the instruction CPUID tells it; ``/proc/cpuinfo`` is the host's under QEMU too."""
UNIT = "CPU s"
"""Follows the number of seconds in what is printed of a job."""


def carry_out(path: Path) -> None:
    """Do the jobs of a plan in its order, in which parents come first; end the process at the first that fails."""
    plan = read_plan_file(path)
    for job in plan.jobs:
        start = time.process_time()
        with _own_output():
            code = main(str(path), job.id)
        if code:
            sys.exit(_failure(plan, job, code))
        print(f"{time.process_time() - start:6.1f} {UNIT}  {job.title}", flush=True)


def _failure(plan: Plan, job: Job, code: int) -> str:
    log = Store(Path(plan.store)).job(job.id).log
    return f"{job.title} ended with {code}:\n{log.read_text() if log.exists() else 'it has no log'}"


@contextmanager
def _own_output() -> Iterator[None]:
    """Put this process's output back after a job, which has sent it to its log."""
    kept = [os.dup(number) for number in (1, 2)]
    try:
        yield
    finally:
        for number, copy in enumerate(kept, start=1):
            os.dup2(copy, number)
            os.close(copy)


if __name__ == "__main__":
    print(f"{VENDOR}{CPUID().get_vendor_id()}", flush=True)
    preload()
    print(f"{time.process_time():6.1f} {UNIT}  imports", flush=True)
    for name in sys.argv[1:]:
        carry_out(Path(name))
