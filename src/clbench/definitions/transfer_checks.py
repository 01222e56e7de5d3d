"""What must hold of a transfer: its targets, the backbones that it starts from, and how they are fine-tuned."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from clbench.definitions.cards import RESERVED_BASELINES
from clbench.definitions.checks import TARGETS, twice
from clbench.definitions.models import Benchmark
from clbench.definitions.protocols import JOINT, PLAIN, Schedule, Start, Transfer
from clbench.definitions.reading import Finding
from clbench.definitions.suggest import suggestion
from clbench.definitions.yaml_source import KeyPath

FROM: KeyPath = ("protocols", "transfer", "from")
EPOCHS: KeyPath = ("protocols", "transfer", "epochs")
FRACTIONS: KeyPath = ("protocols", "transfer", "fractions")
SCHEDULES: KeyPath = ("protocols", "transfer", "schedules")


def _repetitions(transfer: Transfer) -> Iterator[Finding]:
    """Things that are listed twice."""
    yield from twice(TARGETS, transfer.targets)
    yield from twice(FROM, transfer.backbones)
    yield from twice(SCHEDULES, [schedule.name for schedule in transfer.all_schedules])
    yield from twice(EPOCHS, transfer.epochs or ())
    yield from twice(FRACTIONS, transfer.fractions)


def transfer_findings(benchmark: Benchmark) -> Iterator[Finding]:
    """What is listed twice, targets that are not held out, schedules and evaluations beyond the training's end."""
    transfer = benchmark.protocols.transfer
    if not transfer:
        return
    yield from _repetitions(transfer)
    for index, target in enumerate(transfer.targets):
        if target in benchmark.sequence:
            yield (*TARGETS, index), f"{target!r} is in the sequence; a target must be held out"
    for index, epoch in enumerate(transfer.epochs or ()):
        if epoch > benchmark.budget.epochs:
            yield (*EPOCHS, index), f"{epoch} is beyond the budget of {benchmark.budget.epochs} epochs"
    for index, schedule in enumerate(transfer.all_schedules):
        for key, message in _schedule_messages(schedule, benchmark.budget.epochs):
            yield (*SCHEDULES, index, key), message


def _schedule_messages(schedule: Schedule, budget: int) -> Iterator[tuple[str, str]]:
    epochs = schedule.epochs or budget
    if epochs > budget:
        yield "epochs", f"{epochs} is beyond the budget of {budget} epochs"
    if schedule.head_first > epochs:
        yield "head_first", f"{schedule.head_first} is beyond the {epochs} epochs of the training"
    if schedule.head_first and schedule.freeze == "trunk":
        yield "head_first", "says nothing beside freeze: trunk, which trains the head alone all the time"
    if schedule.name == PLAIN and schedule != Schedule(name=PLAIN):
        yield "name", f"{PLAIN!r} is the schedule that changes nothing; give this one another name"


def fold_findings(benchmark: Benchmark) -> Iterator[Finding]:
    """Sequences of which nothing is held out, and what would need a case of them."""
    sample = benchmark.sample
    if sample.fold != "all":
        return
    if not benchmark.protocols.transfer:
        yield ("sample", "fold"), "'all' holds no case of the sequence out; add a transfer: its targets are measured"
    if benchmark.budget.checkpoint == "best-as-original":
        yield ("budget", "checkpoint"), "needs reported cases, of which fold: all leaves none; write final or best"
    for name in set(sample.ids).intersection(benchmark.sequence):
        yield ("sample", "ids", name), "is in the sequence, whose tasks fold: all trains on whole; leave the list out"


def backbone_findings(benchmark: Benchmark, variants: Collection[str]) -> Iterator[Finding]:
    """Backbones that the definition does not make, and checkpoints called like something that it does."""
    transfer = benchmark.protocols.transfer
    made = {*variants, *_joint_names(benchmark)}
    for index, start in enumerate(transfer.from_ if transfer else ()):
        if isinstance(start, str) and start not in made:
            yield (*FROM, index), _no_backbone(start, made)
        elif isinstance(start, Start) and start.name in {*variants, *RESERVED_BASELINES}:
            yield (*FROM, index, "name"), f"{start.name!r} is a baseline of its own; give the checkpoint another name"


def _joint_names(benchmark: Benchmark) -> list[str]:
    joint = benchmark.protocols.joint
    return [JOINT[budget] for budget in joint.budgets] if joint else []


def _no_backbone(name: str, made: set[str]) -> str:
    if name == "from-scratch":
        return "from-scratch is always measured beside the backbones; leave it out"
    if name in ("joint", "joint-equal"):
        budget = "full" if name == "joint" else "equal"
        return f"{name!r} is not run here; add joint: {{budgets: [{budget}]}} to the protocols or leave it"
    return f"{name!r} is no baseline of this definition; {suggestion(name, made)}"
