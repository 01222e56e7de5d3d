"""One ``clbench run`` per run folder at a time."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from clbench.disk import make_folder, writing_to
from clbench.errors import MissingEnvironment
from clbench.store import write_atomic

LOCK, HOLDER = ".lock", ".holder.json"


@contextmanager
def hold(run_folder: Path, wait: bool = True, console: Console | None = None) -> Iterator[None]:
    """Hold a run folder until the block ends; the system frees it if this process dies.

    Args:
        run_folder: made if it does not exist.
        wait: if another process holds it, say who and wait; otherwise raise.
        console: where to say it; standard error if left out.

    Raises:
        MissingEnvironment: the folder is unwritable or the disk is full, or another process holds the
            folder and ``wait`` is false.
    """
    lock = FileLock(run_folder / LOCK)
    make_folder(run_folder)
    with writing_to(run_folder):
        _acquire(lock, run_folder, wait, console or Console(stderr=True))
    try:
        with writing_to(run_folder):
            write_atomic(run_folder / HOLDER, _me())
        yield
    finally:
        (run_folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _acquire(lock: FileLock, run_folder: Path, wait: bool, console: Console) -> None:
    try:
        lock.acquire(timeout=0)
        return
    except Timeout:
        held = f"{run_folder} is in use by {_holder(run_folder)}"
    if not wait:
        raise MissingEnvironment(f"{held}; wait until it ends, or choose another folder with --out")
    console.print(f"{held}; waiting until it ends", soft_wrap=True, markup=False, highlight=False)
    lock.acquire(poll_interval=0.2)


def _me() -> bytes:
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": now}).encode()


def _holder(run_folder: Path) -> str:
    try:
        holder = json.loads((run_folder / HOLDER).read_bytes())
        return f"process {holder['pid']} on {holder['host']}, started {holder['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"  # it has the lock and has not written its name yet
