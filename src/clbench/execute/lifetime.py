"""Processes that do not outlive the one that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from clbench.execute.client import ONE_THREAD

PR_SET_PDEATHSIG = 1
TIME_LIMIT = "CLBENCH_TIME_LIMIT"
"""Tells a job after how many seconds it is to end, done or not."""
PATIENCE = 2.0
"""Seconds that processes get to end by themselves before they are killed."""


def environment() -> dict[str, str]:
    """The environment of engine, server and jobs.

    One thread per process, since jobs side by side use the cores; the same hashes in every process, so that
    no set is walked in another order in another run; and no module is imported from the working folder, which may
    be a stranger's suite.
    """
    return {**os.environ, **ONE_THREAD, "PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1"}


def die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when the thread that started it ends; elsewhere do nothing.

    Suits ``initializer=`` of a process pool and ``preexec_fn=`` of a subprocess.

    Args:
        parent: the parent's process id, asked for before this process was started; if that is no longer the
            parent, this process ends at once.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def bound_to_me() -> Callable[[], None]:
    """A ``preexec_fn`` for children of this process: they die with it and take Ctrl-C as usual."""
    parent = os.getpid()

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        die_with_parent(parent)

    return prepare


def start_clock() -> None:
    """Have the system end this process when its time is up, however it hangs then; without a limit do nothing."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if seconds := int(os.environ.get(TIME_LIMIT, "0")):
        signal.alarm(seconds)
        _continue_after(seconds)


def _continue_after(seconds: int) -> None:
    """Fork a process that continues this one a second after its time is up: while it is stopped it hears no alarm."""
    job = os.getpid()
    if os.fork() == 0:
        die_with_parent(job)
        time.sleep(seconds + 1)
        if os.getppid() == job:
            os.kill(job, signal.SIGCONT)
        os._exit(0)


def kill_group(group: int) -> None:
    """SIGKILL every process of a process group; it is fine if there is none left."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def stop_group(process: subprocess.Popen[bytes], patience: float) -> None:
    """Send Ctrl-C to the group that ``process`` leads, wait ``patience`` seconds, then kill what is left."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    kill_group(process.pid)
    process.wait()
