"""Many cases, several processes: what is wrong with any of them is told together, and the others are done."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from clbench.errors import MissingEnvironment
from clbench.execute.lifetime import die_with_parent
from clbench.job.case_work import UnusableTaskCase
from clbench.job.progress import Progress

Result = TypeVar("Result")


@contextmanager
def case_pool(threads: int) -> Iterator[ProcessPoolExecutor]:
    """Processes forked from this one, which has imported everything already; they end with it."""
    fork, me = multiprocessing.get_context("fork"), os.getpid()
    with ProcessPoolExecutor(threads, mp_context=fork, initializer=die_with_parent, initargs=(me,)) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            raise MissingEnvironment(
                f"a process that prepared a case was killed, most likely for want of memory ({threads} worked side "
                f"by side); the same command goes on from here, with fewer of them as `--jobs` says"
            ) from error


def each(
    pool: ProcessPoolExecutor, function: Callable[..., Result], work: Sequence[tuple[Any, ...]],
    progress: Progress, doing: str,
) -> list[Result]:  # fmt: skip
    """The results of a function for each tuple of arguments, in their order.

    Raises:
        MissingEnvironment: cases that can't be used, all of them; or the disk is full, at once.
    """
    futures = [pool.submit(function, *arguments) for arguments in work]
    results, problems = [], []
    try:
        for future in futures:
            try:
                results.append(future.result())
            except UnusableTaskCase as error:
                problems.append(str(error))
            progress.advance(doing)
    finally:
        _drop(futures)
    if problems:
        rest = f"the other {len(results)} cases are kept; the same command goes on from here"
        raise MissingEnvironment("\n".join([*problems, rest]))
    return results


def _drop(futures: Sequence[Future[Any]]) -> None:
    for future in futures:
        future.cancel()
