"""What a run took, what proves that its methods acted, and what is missing of it."""

from __future__ import annotations

from typing import Any

from clbench.results.stat import Model, Stat


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
