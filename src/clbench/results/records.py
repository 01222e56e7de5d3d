"""What a summary is made from: the benchmark, its baselines and replicates, what is missing, what a stage cost."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from clbench.definitions.base import Name
from clbench.definitions.subset import Subset

RESERVED = {"from-scratch": "from-scratch", "joint": "joint", "joint-equal": "joint", "cumulative": "cumulative"}
"""Baselines that stand for a protocol of their own; all others are learnt one task after another."""

STAGED = ("cumulative", "continual")
"""Protocols that learn one task after another, in every order; the others have no order."""


class Replicate(NamedTuple):
    """One of the repetitions that a number is averaged over."""

    seed: int
    """Seed of the training."""
    order: int
    """Which of ``BenchmarkInfo.orders``, from 1; 1 for what has no order."""


class Hole(NamedTuple):
    """Which result is missing."""

    protocol: str
    """Protocol of the missing stage."""
    baseline: str
    """Its baseline."""
    seed: int
    """Its seed."""
    order: int
    """Its order, from 1; 1 for what has no order."""
    stage: int
    """Which stage, from 1."""


@dataclass(frozen=True)
class BaselineInfo:
    """A baseline as the report names it."""

    name: str
    """Its name in rows and tables; those of ``RESERVED`` name protocols."""
    title: str
    """What it does, in a few words."""

    @property
    def protocol(self) -> str:
        """The protocol whose rows are this baseline's Dice over the sequence."""
        return RESERVED.get(self.name, "continual")


@dataclass(frozen=True)
class BenchmarkInfo:
    """What a report says about the benchmark, and the order in which it shows things."""

    name: Name
    """Name of the benchmark."""
    version: int
    """Its version."""
    title: str
    """What it is, in one line."""
    sequence: tuple[str, ...]
    """The tasks in the order in which they are learnt, and in which tables show them."""
    targets: tuple[str, ...]
    """The held-out tasks of the transfer protocol."""
    seeds: tuple[int, ...]
    """The seeds that were asked for."""
    baselines: tuple[BaselineInfo, ...]
    """All baselines, in the order of the tables' lines."""
    caveats: tuple[str, ...]
    """Sentences that every report of this benchmark must print."""
    orders: tuple[tuple[str, ...], ...]
    """Every order in which the tasks are learnt, the sequence first."""
    tuned: tuple[str, ...] = ()
    """The fine-tunings on the targets in the order of the tables' lines: a backbone's name and, where it is not
    the plain one, its schedule's behind `` · ``."""
    schedules: tuple[tuple[str, str], ...] = ()
    """Every schedule but the plain one, and what it changes."""
    whole: bool = False
    """Whether the tasks of the sequence are trained on with every case, so that none of them is measured."""
    as_original: bool = False
    """Every model was chosen by the cases that are reported."""
    subset_of: Subset | None = None
    """The definition that this one extends and shrinks, if it does; a summary of an older version does not say."""

    @property
    def mark(self) -> str:
        """What its rows say of it: name and version of the larger definition; empty without one."""
        return self.subset_of.mark if self.subset_of else ""

    def replicates(self, protocol: str) -> tuple[Replicate, ...]:
        """What a number of a protocol is averaged over: seeds, and orders where it has them."""
        orders = range(1, len(self.orders) + 1) if protocol in STAGED else (1,)
        return tuple(Replicate(*pair) for pair in product(self.seeds, orders))


@dataclass(frozen=True)
class StageRecord:
    """What one trained stage cost and what shows that its method was at work."""

    protocol: str
    """One of ``rows.PROTOCOLS``."""
    baseline: str
    """Name of the baseline."""
    seed: int
    """Seed of the training."""
    order: int
    """Which order of the tasks, from 1."""
    stage: int
    """Which stage of the protocol, from 1."""
    trained_on: str
    """The stage's task; for joint and cumulative training the names joined by ``+``."""
    job: str
    """Id of the job that did it."""
    cost: dict[str, Any]
    """``train_seconds``, ``evaluate_seconds``, ``peak_memory_mb``, ``kept_cases``, ``remembered_mb``."""
    evidence: dict[str, Any] | None
    """``{"inert": bool, "expected": bool, "numbers": {…}}``; None where the method left none."""
    shared: bool
    """Whether the job also serves another baseline or protocol."""
