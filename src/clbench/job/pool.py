"""Many cases, one after another or in several processes; unusable ones are reported together, the rest is done."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from clbench.errors import MissingEnvironment
from clbench.execute.lifetime import die_with_parent
from clbench.job.case_work import UnusableTaskCase
from clbench.job.progress import Progress

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Pending(Protocol[Result_co]):
    """A submitted call; what is used of ``concurrent.futures.Future``."""

    def result(self) -> Result_co:
        """Return what the call returned, or raise what it raised."""

    def cancel(self) -> bool:
        """Do not start the call if it has not been started."""


class Pool(Protocol):
    """What is used of ``concurrent.futures.Executor``."""

    def submit(self, function: Callable[..., Result], /, *arguments: Any) -> Pending[Result]:
        """Schedule a call."""


@dataclass(frozen=True)
class Deferred(Generic[Result]):
    """A call that is made when its result is asked for.

    Attributes:
        call: the function with its arguments.
    """

    call: Callable[[], Result]

    def result(self) -> Result:
        """Make the call; ask once."""
        return self.call()

    def cancel(self) -> bool:
        """Nothing to do: a call whose result nobody asks for is never made."""
        return True


class InProcess:
    """Runs every call in the calling process, in the order in which results are asked for."""

    def submit(self, function: Callable[..., Result], /, *arguments: Any) -> Deferred[Result]:
        """Defer a call."""
        return Deferred(lambda: function(*arguments))


@contextmanager
def case_pool(threads: int) -> Iterator[Pool]:
    """Where cases are worked on: for one thread this process, for more as many forked ones, which end with it.

    Args:
        threads: how many cases are worked on at once.

    Raises:
        MissingEnvironment: a forked process was killed.
    """
    if threads == 1:
        yield InProcess()
        return
    with _forked(threads) as pool:
        yield pool


@contextmanager
def _forked(threads: int) -> Iterator[ProcessPoolExecutor]:
    """Processes forked from this one, which has imported everything already."""
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
    pool: Pool, function: Callable[..., Result], work: Sequence[tuple[Any, ...]], progress: Progress, doing: str
) -> list[Result]:
    """The results of a function for each tuple of arguments, in their order.

    Raises:
        MissingEnvironment: cases that can't be used, all of them; or the disk is full, at once.
    """
    pending = [pool.submit(function, *arguments) for arguments in work]
    results, problems = [], []
    try:
        for call in pending:
            try:
                results.append(call.result())
            except UnusableTaskCase as error:
                problems.append(str(error))
            progress.advance(doing)
    finally:
        _drop(pending)
    if problems:
        rest = f"the other {len(results)} cases are kept; the same command goes on from here"
        raise MissingEnvironment("\n".join([*problems, rest]))
    return results


def _drop(pending: Sequence[Pending[Any]]) -> None:
    for call in pending:
        call.cancel()
