"""One job of a plan: read its row, do it, write its result atomically."""

from __future__ import annotations

import gc
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clbench.disk import last_straw, writing_to
from clbench.errors import ClbenchError, CorruptArtifact
from clbench.identity import package_files
from clbench.job.stopping import heed
from clbench.known_answer import arithmetic_here, require_arithmetic
from clbench.plan import Job, Plan
from clbench.plan.code import code_of
from clbench.plan.sealed import read_plan_file
from clbench.store import JobFolder, Json, Store, sweep

__all__ = ["is_done", "main", "preload", "says_it_is_done"]


def preload() -> None:
    """Import everything heavy, check the arithmetic, and digest the code, so that a fork starts at once."""
    with _importing():
        import torch

        import clbench.job.certificate
        import clbench.job.prepare  # noqa: F401

    torch.set_num_threads(1)
    arithmetic_here()
    for kind in ("prepare", "stage"):
        code_of(kind, str(package_files("methods/base.py")[0]))  # methods are read when a job loads them


@contextmanager
def _importing() -> Iterator[None]:
    """Collect no garbage during imports, and never look for any among what they made.

    All 800,000 objects of torch and nnU-Net stay. To search them again and again takes a fifth of the time of
    importing them, and a search in a fork copies every page that they lie in.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def is_done(job: Job, folder: JobFolder) -> bool:
    """Whether a job's result is there, whole, and answers what is asked now.

    Raises:
        CorruptArtifact: the result or a file it vouches for is damaged.
    """
    result = folder.check("result")
    return result is not None and result.get("evaluation", "") == job.evaluation


def says_it_is_done(job: Job, folder: JobFolder) -> bool:
    """Whether a result that answers what is asked now is there; no byte is checked, however large the store is."""
    return folder.glimpse("result", "evaluation") == job.evaluation


def main(plan_path: str, job_id: str) -> int:
    """Do one job, unless it is done; everything it prints goes to its log.

    Returns:
        0 when the result is there, else the exit code of the error.
    """
    try:
        plan = read_plan_file(Path(plan_path))
    except ClbenchError as error:  # there is no log yet: whoever reads the engine's looks for the job's id
        print(f"{job_id}: error: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    job, store = plan.job(job_id), Store(Path(plan.store))
    folder = store.job(job_id)
    heed()
    with folder.lock():
        _log_to(folder)
        try:
            with writing_to(store.root):
                sweep(folder.path, "**/.*.tmp")
                return _do(plan, job, store)
        except ClbenchError as error:
            print(f"error: {error}", flush=True)
            return error.exit_code
        except Exception:  # the log is where a crash is read
            traceback.print_exc()
            sys.stderr.flush()
            print(last_straw(store.root), end="", flush=True)
            return 1


def _do(plan: Plan, job: Job, store: Store) -> int:
    folder = store.job(job.id)
    try:
        if is_done(job, folder):
            return 0
    except CorruptArtifact as error:
        print(f"{error}; doing the job again", flush=True)
        folder.forget("result") if job.kind == "stage" else folder.discard()
    if code_of(job.kind, job.method_file) != job.code:
        raise ClbenchError(
            f"the source code that does {job.title!r} has changed since this run was planned; "
            f"start the run again, and it plans with the code as it is now"
        )
    require_arithmetic(job.arithmetic)
    start = time.perf_counter()
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {job.title}", flush=True)
    _body(plan, job, store)
    print(f"done in {time.perf_counter() - start:.1f} s", flush=True)
    return 0


def _body(plan: Plan, job: Job, store: Store) -> Json:
    if job.kind == "prepare":
        with _importing():
            from clbench.job.prepare import prepare

        return prepare(job, store.job(job.id), threads=int(os.environ.get("CLBENCH_THREADS", "1")))
    with _importing():
        from clbench.job.certificate import certify
        from clbench.job.stage import run_stage

    return certify(job, store) if job.kind == "certify" else run_stage(plan, job, store)


def _log_to(folder: JobFolder) -> None:
    """Send this process's output, that of C libraries included, to the job's log."""
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
