"""Carries a plan out: hands the unfinished jobs to the engine, shows what happens, says what came of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from clbench.disk import last_straw, writing_to
from clbench.errors import MissingEnvironment
from clbench.execute.backends import Backend
from clbench.execute.engine import EngineFolder, engine
from clbench.execute.lifetime import kill_group
from clbench.execute.progress import Display, Status, display, say, show_failures
from clbench.execute.warm import warm_server
from clbench.execute.watch import LINES_SHOWN, Failure, Watch, last_lines
from clbench.plan import Plan
from clbench.signals import collected_signals
from clbench.store import Store

ENGINE_LOG = "engine.log"
GLANCE = 0.1
"""Seconds between two looks at the store."""


@dataclass(frozen=True)
class Outcome:
    """What came of a plan."""

    finished: tuple[str, ...] = ()
    """The jobs that this call finished, in the order in which they ended."""
    failed: dict[str, Failure] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    """The jobs that were not tried because a job they need failed."""
    interrupted: int | None = None
    """The number of the signal that broke the run off."""

    @property
    def exit_code(self) -> int:
        """0 all done, 3 a job failed, 128 + signal if interrupted."""
        if self.interrupted is not None:
            return 128 + self.interrupted
        return 3 if self.failed else 0


def carry_out(
    plan_path: Path,
    plan: Plan,
    done: set[str],
    store: Store,
    run_folder: Path,
    backend: Backend,
    console: Console,
    *,
    module: str = "clbench.job",
    command: Sequence[str] | None = None,
) -> Outcome:
    """Do all jobs of a plan that are not done yet; the caller holds the run folder (``lock.hold``).

    Args:
        plan_path: the plan's file, which the jobs read.
        plan: the same plan.
        done: ids of the jobs that need not be done.
        store: where the jobs put their results.
        run_folder: where the engine's log goes.
        backend: where the jobs run.
        console: where progress is shown.
        module: has ``main(plan_path, job_id) -> int``, which does a job, and ``preload()``.
        command: run this with the job's id behind it instead of ``module``.

    Raises:
        MissingEnvironment: a folder is unwritable, the disk is full, or the engine itself fails.
    """
    pending = {job.id: job for job in plan.jobs if job.id not in done}
    folder, log = EngineFolder.of(store, run_folder), run_folder / ENGINE_LOG
    watch = Watch(pending, store, folder, log)
    shown = display(console, Status(watch, len(plan.jobs) - len(pending), backend.slots, backend.words))
    with ExitStack() as stack:
        stop = stack.enter_context(collected_signals())
        stack.callback(shown.close)
        shown.begin()
        if not pending:
            return Outcome()
        stack.callback(shutil.rmtree, folder.path, ignore_errors=True)
        with writing_to(folder.path):
            folder.prepare(pending, command or backend.command(plan_path, module), backend.needs(plan))
        with writing_to(log.parent):
            log.write_bytes(b"")
        warm = stack.enter_context(warm_server(module, log)) if backend.warm and command is None else None
        process = stack.enter_context(engine(folder, backend, log, warm))
        _follow(watch, shown, stop, lambda: process.poll() is not None or _complete(watch))
        if _complete(watch):
            kill_group(process.pid)
    return _conclude(watch, stop, console)


def _complete(watch: Watch) -> bool:
    """Nothing is left that can be done, though the engine lingers for another second."""
    return set(watch.open) == set(watch.skipped)


def _follow(watch: Watch, shown: Display, stop: list[int], at_end: Callable[[], bool]) -> None:
    """Look and show until the engine is at its end, or a signal came: what fails after one is its doing."""
    over = False
    while not over and not stop:
        over = at_end()
        for job in watch.look():
            shown.ended(job)
        shown.tick()
        if not over:
            time.sleep(GLANCE)


def _conclude(watch: Watch, stop: list[int], console: Console) -> Outcome:
    """Everything has ended: sort the jobs by what came of them, and say what went wrong."""
    show_failures(console, watch.failed.values())
    if stop:
        say(console, "stopped; nothing is lost: the same command goes on from here")
    elif not _complete(watch):
        raise _engine_failed(watch)
    return Outcome(tuple(watch.finished), watch.failed, watch.skipped, stop[0] if stop else None)


def _engine_failed(watch: Watch) -> MissingEnvironment:
    said = "\n".join(f"    {line}" for line in last_lines(watch.engine_log, LINES_SHOWN))
    left = f"{len(watch.open)} jobs were not done"
    why = last_straw(watch.store.root) or last_straw(watch.engine_log.parent)
    return MissingEnvironment(
        f"the engine (Snakemake) ended early, {left}; {watch.engine_log} says:\n{said}\n{why}".rstrip()
    )
