"""What a summary is made from and what is in it: frozen data that a JSON file holds in full."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

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

    name: str
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


class Model(BaseModel):
    """Frozen, strict about its fields; a NaN keeps its name in JSON instead of becoming null."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Stat(Model):
    """A number over replicates: seeds, times orders where the number depends on the order."""

    mean: float
    """Mean over the replicates that have the number."""
    sd: float | None
    """Sample standard deviation over those replicates (n - 1); None with one."""
    seeds: int
    """How many replicates have it; with one order, as many as seeds."""
    planned: int
    """How many replicates should have it."""


class Reading(Model):
    """Every task of the sequence at one point in time, in the sequence's order; None is a hole."""

    dice: tuple[Stat | None, ...]
    """Mean Dice of each task's validation cases."""
    mean: Stat | None
    """Mean over the tasks; a replicate that lacks a task does not count."""
    predicted_ml: tuple[Stat | None, ...]
    """Mean predicted foreground volume of a case in ml."""
    excluded: tuple[int, ...]
    """Pairs of case and label without a Dice (reference and prediction empty), over all replicates."""


class Metrics(Model):
    """The metrics of ``continual``; None where the protocol has no such number or a result is missing."""

    average_accuracy: Stat | None = None
    """Mean Dice over all tasks at the end."""
    learning_accuracy: Stat | None = None
    """Mean Dice over all tasks, each right after it was learnt."""
    backward_transfer: Stat | None = None
    """Change of the earlier tasks from right after learning to the end."""
    forgetting: Stat | None = None
    """Fall of the earlier tasks from their best to the end."""
    plasticity: Stat | None = None
    """Later tasks right after learning, against from-scratch."""
    intransigence: Stat | None = None
    """Later tasks right after learning, below cumulative training."""
    gap_closed: Stat | None = None
    """Share of the gap between fine-tuning and joint training."""


class BaselineSummary(Model):
    """One baseline over the sequence."""

    name: str
    """Its name."""
    title: str
    """What it does, in a few words."""
    protocol: str
    """``from-scratch``, ``joint``, ``cumulative`` or ``continual``."""
    inert: bool
    """Its method should have acted in a later stage and did not: it is fine-tuning under another name."""
    after_stage: Reading | None
    """Each task right after it was learnt; None for joint training, which has no stages."""
    final: Reading
    """All tasks at the end: with the last trunk, with the joint network, or with each task's own network."""
    matrices: tuple[tuple[tuple[Stat | None, ...], ...], ...]
    """For every order, Dice of every task after every stage, in that order; empty for from-scratch and joint."""
    metrics: Metrics
    """The metrics of continual learning."""

    @property
    def staged(self) -> bool:
        """Whether it learns one task after another."""
        return self.protocol in STAGED


class TransferPoint(Model):
    """One point of a learning curve on a held-out task."""

    target: str
    """The held-out task."""
    baseline: str
    """Whose backbone it starts from; ``from-scratch`` starts from none."""
    fraction: float
    """Share of the target's training cases."""
    epoch: int
    """Epochs trained on the target."""
    dice: Stat | None
    """Mean Dice of the target's validation cases."""
    gain: Stat | None
    """Dice above from-scratch training at the same epoch, seed by seed."""
    predicted_ml: Stat | None
    """Mean predicted foreground volume of a case in ml."""
    excluded: int
    """Pairs of case and label without a Dice (reference and prediction empty), over all replicates."""


class Cost(Model):
    """What one baseline cost in one protocol, all stages together; a replicate that lacks a stage is left out."""

    protocol: str
    """``transfer``, or the protocol of the baseline."""
    baseline: str
    """Name of the baseline."""
    train_seconds: Stat | None
    """Training, as if nothing was shared."""
    shared_seconds: Stat | None
    """The part of it that another baseline or protocol needed as well and that was paid once."""
    evaluate_seconds: Stat | None
    """Evaluation."""
    peak_memory_mb: float | None
    """Highest memory of a process in MB."""
    kept_cases: int | None
    """Most cases of earlier tasks that were kept and trained on again."""
    remembered_mb: float | None
    """Most that was carried from one stage to the next beside the network, in MB."""


class StageEvidence(Model):
    """What shows that a method was at work in one stage."""

    seed: int
    """Seed of the training."""
    order: int
    """Which order of the tasks, from 1."""
    stage: int
    """Stage of that order, from 1."""
    trained_on: str
    """The stage's task."""
    expected: bool
    """Whether the method should have acted."""
    inert: bool
    """Whether it had no effect."""
    numbers: dict[str, Any]
    """The numbers that say so, by name."""


class Evidence(Model):
    """One baseline's evidence, by seed, order and stage."""

    baseline: str
    """Name of the baseline."""
    inert: bool
    """Expected to act in a stage from the second on, and inert there."""
    stages: tuple[StageEvidence, ...]
    """The stages that left evidence."""


class Missing(Model):
    """A hole: a result that the tables should show and do not have."""

    protocol: str
    """Protocol of the missing stage."""
    baseline: str
    """Its baseline."""
    seed: int
    """Its seed."""
    order: int
    """Its order of the tasks, from 1."""
    stage: int
    """Which stage, from 1."""
    reason: str
    """Why it is missing."""


class Summary(Model):
    """All numbers of a run's report."""

    benchmark: BenchmarkInfo
    """What was run."""
    gap_reference: str | None
    """The joint baseline that ``gap_closed`` is held against; None without fine-tuning or joint training."""
    baselines: tuple[BaselineSummary, ...]
    """Every baseline over the sequence, in display order."""
    reference_ml: dict[str, float]
    """Mean reference volume of a validation case in ml, by task."""
    transfer: tuple[TransferPoint, ...]
    """Learning curves on the held-out tasks."""
    costs: tuple[Cost, ...]
    """Costs by protocol and baseline."""
    evidence: tuple[Evidence, ...]
    """Evidence by baseline."""
    missing: tuple[Missing, ...]
    """Every hole with its reason."""
    provenance: dict[str, Any] = {}
    """Where the numbers come from; filled in when the report is written."""
