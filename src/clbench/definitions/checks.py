"""What must hold between the sections of a definition, and between it and its tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from clbench.definitions.models import Benchmark, Protocols, TaskCard
from clbench.definitions.reading import Finding
from clbench.definitions.suggest import suggestion
from clbench.definitions.yaml_source import KeyPath

BASELINES: KeyPath = ("protocols", "continual", "baselines")
TARGETS: KeyPath = ("protocols", "transfer", "targets")
FROM: KeyPath = ("protocols", "transfer", "from")
EPOCHS: KeyPath = ("protocols", "transfer", "epochs")
FRACTIONS: KeyPath = ("protocols", "transfer", "fractions")


def repetitions(benchmark: Benchmark) -> Iterator[Finding]:
    """Things that are listed twice."""
    transfer, joint = benchmark.protocols.transfer, benchmark.protocols.joint
    yield from _twice(("sequence",), benchmark.sequence)
    yield from _twice(("seeds",), benchmark.seeds)
    if joint:
        yield from _twice(("protocols", "joint", "budgets"), joint.budgets)
    if transfer:
        yield from _twice(TARGETS, transfer.targets)
        yield from _twice(FROM, transfer.from_)
        yield from _twice(EPOCHS, transfer.epochs or ())
        yield from _twice(FRACTIONS, transfer.fractions)


def _twice(path: KeyPath, values: Sequence[object]) -> Iterator[Finding]:
    for index, value in enumerate(values):
        if value in values[:index]:
            yield (*path, index), f"{value!r} is listed twice; leave it out once"


def protocol_findings(benchmark: Benchmark) -> Iterator[Finding]:
    """Definitions that run nothing, and sequences too short to forget."""
    if benchmark.protocols == Protocols():
        yield ("protocols",), "nothing would run; valid: from-scratch, joint, continual, transfer"
    if benchmark.protocols.continual and len(benchmark.sequence) == 1:
        yield ("sequence",), "has one task; the continual protocol needs two or more"


def patch_findings(benchmark: Benchmark) -> Iterator[Finding]:
    """A patch that can't be halved as often as the network does."""
    patch, features = benchmark.backbone.patch, benchmark.backbone.features
    if not patch or not features:
        return
    factor = 2 ** (len(features) - 1)
    for index, size in enumerate(patch):
        if size % factor:
            near = max(factor, round(size / factor) * factor)
            message = f"{size} must be divisible by {factor}, as {len(features)} feature stages ask"
            yield ("backbone", "patch", index), f"{message}; for instance {near}"


def transfer_findings(benchmark: Benchmark) -> Iterator[Finding]:
    """Targets that are not held out, and evaluations after the end of the training."""
    transfer = benchmark.protocols.transfer
    if not transfer:
        return
    for index, target in enumerate(transfer.targets):
        if target in benchmark.sequence:
            yield (*TARGETS, index), f"{target!r} is in the sequence; a target must be held out"
    for index, epoch in enumerate(transfer.epochs or ()):
        if epoch > benchmark.budget.epochs:
            yield (*EPOCHS, index), f"{epoch} is beyond the budget of {benchmark.budget.epochs} epochs"


def backbone_findings(benchmark: Benchmark, variants: Iterable[str]) -> Iterator[Finding]:
    """Backbones that the definition does not make."""
    transfer = benchmark.protocols.transfer
    made = {*variants, *_joint_names(benchmark)}
    for index, name in enumerate(transfer.from_ if transfer else ()):
        if name not in made:
            yield (*FROM, index), _no_backbone(name, made)


def _joint_names(benchmark: Benchmark) -> list[str]:
    joint = benchmark.protocols.joint
    return [{"full": "joint", "equal": "joint-equal"}[budget] for budget in joint.budgets] if joint else []


def _no_backbone(name: str, made: set[str]) -> str:
    if name == "from-scratch":
        return "from-scratch is always measured beside the backbones; leave it out"
    if name in ("joint", "joint-equal"):
        budget = "full" if name == "joint" else "equal"
        return f"{name!r} is not run here; add joint: {{budgets: [{budget}]}} to the protocols or leave it"
    return f"{name!r} is no baseline of this definition; {suggestion(name, made)}"


def seed_findings(benchmark: Benchmark) -> Iterator[Finding]:
    """Cases that are drawn without a seed."""
    sample = benchmark.sample
    if sample.seed is None and (sample.train or sample.val):
        yield ("sample", "seed"), "is missing; cases are drawn, so write a seed, for instance seed: 0"


def sample_findings(benchmark: Benchmark, tasks: Mapping[str, TaskCard]) -> Iterator[Finding]:
    """Samples that a task's pool of cases can't fill."""
    sample = benchmark.sample
    for name, card in tasks.items():
        wanted = {"train": sample.train, "val": sample.val}
        for (key, count), pool in zip(wanted.items(), sample.pools(card.cases), strict=True):
            have = f"task {name} has {len(pool)} (split {sample.split} of {card.cases} cases)"
            if not pool:
                yield ("sample", "split"), f"leaves no {key} case: {have}"
            elif count and count > len(pool) and not sample.at_most:
                yield (
                    ("sample", key),
                    f"{count} is too many: {have}; write at most {len(pool)}, or at_most: true",
                )


def batch_findings(benchmark: Benchmark, tasks: Mapping[str, TaskCard]) -> Iterator[Finding]:
    """Trainings with fewer cases than a batch, whose epochs would have no iteration."""
    budget = benchmark.budget
    for name, card in tasks.items() if budget.epoch == "cases" else ():
        train, _ = benchmark.sample.counts(card.cases)
        if train < budget.batch:
            yield (
                ("budget", "batch"),
                f"{budget.batch} is more than the {train} training cases of task {name}",
            )
