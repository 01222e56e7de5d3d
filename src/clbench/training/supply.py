"""Where a stage's batches come from: this process, or workers that load ahead of the training."""

from __future__ import annotations

import math
import multiprocessing
import os
import re
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from clbench.errors import ClbenchError
from clbench.execute.lifetime import die_with_parent
from clbench.network.batch import Batch, Key
from clbench.network.randomness import seed_all

Load = Callable[[tuple[Key, ...]], Batch]
Order = tuple[int, tuple[Key, ...]]
"""An iteration, and the cases of its batch."""


class LoadingFailed(ClbenchError):
    """A batch could not be made; the message names its cases."""

    exit_code = 3


class Supply:
    """Batches made in this process, each when its turn comes; augmentation draws from the global generators."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def batches(self, orders: Iterator[Order]) -> Iterator[Batch]:
        """The batches that are ordered, in this order."""
        return (self._load(keys) for _, keys in orders)

    def watched(self) -> AbstractContextManager[None]:
        """While batches are used; what goes wrong in the background meanwhile is raised with its cases' names."""
        return nullcontext()


SIGNAL_SECONDS = 30.0
"""How long a worker's death is waited for, which on a busy machine comes late."""


class Workers(Supply):
    """Batches made by background processes, as many ahead of the training as nnU-Net would.

    A batch is augmented under a seed that belongs to its iteration, so that neither the number of workers nor a
    kill in between changes it. Orders are taken ahead, in order; how many have been is the caller's to remember.
    """

    def __init__(
        self, load: Load, place: Callable[[Batch], Batch], number: int, seed: Sequence[int], pin: bool
    ) -> None:
        """Start nothing yet.

        Args:
            load: makes a batch, in a worker: on the CPU.
            place: brings a batch where the stage trains, in this process.
            number: of workers, from 1.
            seed: of all augmentation; the iteration's number is put behind it.
            pin: whether batches lie in page-locked memory, from which a copy to CUDA is asynchronous.
        """
        super().__init__(load)
        self._place, self._number, self._seed, self._pin = place, number, tuple(seed), pin
        self._pending: dict[int, tuple[Key, ...]] = {}
        self._at = multiprocessing.get_context("fork").RawArray("q", 2 * number)

    def batches(self, orders: Iterator[Order]) -> Iterator[Batch]:
        """Start the workers; they end with the iterator, and with this process."""
        loader = DataLoader(
            _Loading(self._load, self._seed, self._at), batch_size=None, sampler=self._noted(orders),
            num_workers=self._number, prefetch_factor=ahead(self._number), pin_memory=self._pin,
            multiprocessing_context="fork", worker_init_fn=_Bound(os.getpid()), generator=torch.Generator(),
        )  # fmt: skip
        for made in loader:
            self._pending.pop(made.iteration)
            if made.batch is None:
                raise LoadingFailed(made.error)
            yield self._place(made.batch)

    def _noted(self, orders: Iterator[Order]) -> Iterator[Order]:
        for iteration, keys in orders:
            self._pending[iteration] = keys
            yield iteration, keys

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Torch raises a worker's death by a signal, wherever this process is; here it gets the cases' names."""
        try:
            try:
                yield
            except (EOFError, ConnectionError, RuntimeError) as error:
                dead = self._await_death() if _broke_off(error) else []
                if not dead:
                    raise
                name = type(error).__name__
                raise RuntimeError(f"DataLoader worker (pid {', '.join(map(str, dead))}) ended: {name}") from error
        except RuntimeError as error:
            lost = [keys for pid, keys in self._work() if pid in map(int, re.findall(r"\d+", str(error)))]
            if "DataLoader worker" not in str(error):
                raise
            what = "; ".join(map(_named, lost)) or "no batch"
            raise LoadingFailed(f"a loading worker died at {what}: {error}; was memory short?") from error

    def _await_death(self) -> list[int]:
        """The workers that have ended; torch's signal ends the waiting too, if it is not lost."""
        end, begun = time.monotonic() + SIGNAL_SECONDS, [pid for pid in self._at[::2] if pid]
        while True:
            alive = {process.pid for process in multiprocessing.active_children()}
            dead = [pid for pid in begun if pid not in alive]
            if dead or time.monotonic() > end:
                return dead
            time.sleep(0.05)

    def _work(self) -> Iterator[tuple[int, tuple[Key, ...]]]:
        """The workers' process ids, and what each is at."""
        for pid, iteration in zip(self._at[::2], self._at[1::2], strict=True):
            if iteration in self._pending:
                yield pid, self._pending[iteration]


def ahead(workers: int) -> int:
    """Batches per worker that are ordered ahead: what nnU-Net's workers hold and have queued, rounded up."""
    return math.ceil((workers + max(6, workers // 2)) / workers)


@dataclass(frozen=True)
class _Made:
    """What a worker made of an order: a batch, or the reason why there is none."""

    iteration: int
    batch: Batch | None
    error: str = ""

    def pin_memory(self) -> _Made:
        return self if self.batch is None else _Made(self.iteration, self.batch.pin_memory())


class _Loading(Dataset[_Made]):
    """Makes batches in a worker, each under its own seed."""

    def __init__(self, load: Load, seed: tuple[int, ...], at: Any) -> None:
        self._load, self._seed, self._at = load, seed, at

    def __getitem__(self, order: Order) -> _Made:
        iteration, keys = order
        worker = get_worker_info()
        assert worker is not None
        self._at[2 * worker.id : 2 * worker.id + 2] = [os.getpid(), iteration]
        seed_all([*self._seed, iteration])
        try:
            return _Made(iteration, self._load(keys))
        except Exception as error:  # crosses to the training process as a text, whatever it is
            traceback.print_exc()
            return _Made(iteration, None, f"loading {_named(keys)}: {type(error).__name__}: {error}")


@dataclass(frozen=True)
class _Bound:
    """Binds a worker to the process that started it."""

    parent: int

    def __call__(self, worker: int) -> None:
        die_with_parent(self.parent)


def _broke_off(error: Exception) -> bool:
    """Whether it may be what reading from a worker ends in that is dying, before torch hears of it.

    A batch's memory that is half handed over is a plain ``RuntimeError``.
    """
    return not isinstance(error, RuntimeError) or "items of ancdata" in str(error)


def _named(keys: Sequence[Key]) -> str:
    return ", ".join(f"case {case} of {task}" for task, case in keys)
