"""What must hold between the sections of a definition, and between it and its tasks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from clbench.definitions.models import Benchmark, Protocols, TaskCard, Variant
from clbench.definitions.normalisation import normalisation_findings
from clbench.definitions.reading import Finding
from clbench.definitions.scenarios import SCENARIOS, Scenario
from clbench.definitions.suggest import suggestion
from clbench.definitions.yaml_source import KeyPath

BASELINES: KeyPath = ("protocols", "continual", "baselines")
TARGETS: KeyPath = ("protocols", "transfer", "targets")


def repetitions(benchmark: Benchmark) -> Iterator[Finding]:
    """Things that are listed twice."""
    joint = benchmark.protocols.joint
    yield from twice(("sequence",), benchmark.sequence)
    yield from twice(("seeds",), benchmark.seeds)
    if joint:
        yield from twice(("protocols", "joint", "budgets"), joint.budgets)


def twice(path: KeyPath, values: Sequence[object]) -> Iterator[Finding]:
    """Values of a list that are there already."""
    for index, value in enumerate(values):
        if value in values[:index]:
            yield (*path, index), f"{value!r} is listed twice; leave it out once"


def name_findings(benchmark: Benchmark) -> Iterator[Finding]:
    """Tasks whose folders would be one where a file system ignores case."""
    transfer = benchmark.protocols.transfer
    named: list[tuple[KeyPath, str]] = [(("sequence", i), name) for i, name in enumerate(benchmark.sequence)]
    named += [((*TARGETS, i), name) for i, name in enumerate(transfer.targets if transfer else ())]
    for index, (path, name) in enumerate(named):
        for _, other in named[:index]:
            if other != name and other.casefold() == name.casefold():
                yield path, f"{name} and {other} would be one folder where case is ignored; rename one of the two"


def protocol_findings(benchmark: Benchmark) -> Iterator[Finding]:
    """Definitions that run nothing, and sequences too short to forget."""
    if benchmark.protocols == Protocols():
        yield ("protocols",), "nothing would run; valid: from-scratch, joint, cumulative, continual, transfer"
    continual, transfer = benchmark.protocols.continual, benchmark.protocols.transfer
    pretraining = transfer and continual and len(continual.baselines) == 1
    staged = benchmark.protocols.cumulative or (continual and not pretraining)
    if staged and len(benchmark.sequence) == 1:
        message = "has one task; to learn one after another needs two or more"
        yield ("sequence",), f"{message}, to pretrain for a transfer one baseline"


def order_findings(benchmark: Benchmark) -> Iterator[Finding]:
    """Further orders that are none: of other tasks, or one that is there already."""
    for index, order in enumerate(benchmark.orders):
        if sorted(order) != sorted(benchmark.sequence):
            yield ("orders", index), f"must hold each task of the sequence once: {', '.join(benchmark.sequence)}"
        elif order in benchmark.all_orders[: index + 1]:
            yield ("orders", index), "is listed twice, or is the sequence itself; leave it out"


def head_findings(benchmark: Benchmark) -> Iterator[Finding]:
    """Heads that are not the scenario's."""
    rules, heads = SCENARIOS[benchmark.scenario], benchmark.heads
    for key, value, valid in (
        ("new_stage", heads.new_stage, rules.new_stage),
        ("evaluate_with", heads.evaluate_with, rules.evaluate_with),
    ):
        if value and value not in valid:
            message = f"{value!r} is not for {benchmark.scenario}, {rules.words}"
            yield ("heads", key), f"{message}; valid: {', '.join(valid)}"


def channel_findings(benchmark: Benchmark, tasks: Mapping[str, TaskCard]) -> Iterator[Finding]:
    """Tasks whose images have other channels than the first one's: one network can't take both."""
    transfer = benchmark.protocols.transfer
    named: list[tuple[KeyPath, str]] = [(("sequence", i), name) for i, name in enumerate(benchmark.sequence)]
    named += [((*TARGETS, i), name) for i, name in enumerate(transfer.targets if transfer else ())]
    known = [(path, name, len(tasks[name].modality)) for path, name in named if name in tasks]
    for path, name, channels in known[1:]:
        if channels != known[0][2]:
            yield path, f"{name} has {channels} channels where {known[0][1]} has {known[0][2]}; they must agree"
    places = {name: path for path, name in reversed(named)}
    yield from normalisation_findings(benchmark, tasks, dict(reversed(places.items())))


def label_findings(benchmark: Benchmark, tasks: Mapping[str, TaskCard]) -> Iterator[Finding]:
    """Tasks whose labels do not suit the scenario or the heads."""
    places = ((index, name) for index, name in enumerate(benchmark.sequence) if name in tasks)
    known = [(index, name, list(tasks[name].labels)) for index, name in places]
    for index, name, labels in known:
        if message := _label_message(benchmark, name, labels, known[0], known[:index]):
            yield ("sequence", index), message


_Known = tuple[int, str, list[str]]


def _label_message(
    benchmark: Benchmark, name: str, labels: list[str], first: _Known, before: Sequence[_Known]
) -> str | None:
    if benchmark.scenario == "domain-incremental" and labels != first[2]:
        return f"{name} has {_list(labels)} where {first[1]} has {_list(first[2])}; domains have the same labels"
    if benchmark.scenario == "class-incremental":
        for _, other, theirs in before:
            if shared := [label for label in labels if label in theirs]:
                return f"{name} and {other} both have {_list(shared)}; each task must bring classes of its own"
    one_head = benchmark.new_head == "copy-last" or benchmark.evaluate_with == "last"
    if benchmark.scenario == "task-incremental" and one_head and len(labels) != len(first[2]):
        return f"{name} and {first[1]} have {len(labels)} and {len(first[2])} labels; one head can't serve both"
    return None


def _list(labels: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(labels[:-1]), labels[-1]]))


def scenario_message(variant: Variant, scenario: Scenario) -> str | None:
    """Why a baseline can't be run in a scenario; None if it can."""
    if scenario in variant.scenarios:
        return None
    defined = " or ".join(f"{name}, {SCENARIOS[name].words}" for name in variant.scenarios)
    return f"method {variant.method} is not defined for {scenario}, {SCENARIOS[scenario].words}; it is for {defined}"


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


def seed_findings(benchmark: Benchmark) -> Iterator[Finding]:
    """Cases that are drawn without a seed."""
    sample = benchmark.sample
    if sample.seed is None and (sample.train or sample.val):
        yield ("sample", "seed"), "is missing; cases are drawn, so write a seed, for instance seed: 0"


def stated_cases(tasks: Mapping[str, TaskCard]) -> dict[str, int]:
    """How many cases each task has, of those whose cards say so."""
    return {name: card.cases for name, card in tasks.items() if card.cases is not None}


def listed_findings(benchmark: Benchmark, tasks: Collection[str]) -> Iterator[Finding]:
    """Lists of case ids that no task has use for, or that let a case be both learnt and reported."""
    for name in benchmark.sample.ids:
        path: KeyPath = ("sample", "ids", name)
        lists = benchmark.sample.listed(name)
        if name not in tasks:
            yield path, f"is no task of this benchmark; {suggestion(name, set(tasks))}"
        for key, ids in (("train", lists.train), ("val", lists.val)) if lists else ():
            yield from twice((*path, key), ids)
        for index, case in enumerate(lists.val if lists else ()):
            if lists and case in lists.train:
                yield (*path, "val", index), f"{case!r} is trained on too; what is reported must not be"


def sample_findings(benchmark: Benchmark, cases: Mapping[str, int]) -> Iterator[Finding]:
    """Samples that a task's pool of cases can't fill.

    Args:
        benchmark: the definition.
        cases: how many cases each task has, of those that it is known of.
    """
    for name, number in cases.items():
        sample = benchmark.sample_of(name)
        wanted = {"train": sample.train, "val": sample.val}
        pools = () if sample.listed(name) or sample.fold else sample.pools(number)
        for (key, count), pool in zip(wanted.items(), pools, strict=False):
            have = f"task {name} has {len(pool)} (split {sample.split} of {number} cases)"
            if not pool:
                yield ("sample", "split"), f"leaves no {key} case: {have}"
            elif count and count > len(pool) and not sample.at_most:
                yield (
                    ("sample", key),
                    f"{count} is too many: {have}; write at most {len(pool)}, or at_most: true",
                )


def batch_findings(benchmark: Benchmark, cases: Mapping[str, int]) -> Iterator[Finding]:
    """Trainings with fewer cases than a batch, whose epochs would have no iteration."""
    budget = benchmark.budget
    for name, number in cases.items() if budget.epoch == "cases" else ():
        train = budget.trained_on(benchmark.sample_of(name).counts(name, number)[0])
        if 0 < train < budget.batch:
            yield (
                ("budget", "batch"),
                f"{budget.batch} is more than the {train} training cases of task {name}",
            )


def checkpoint_findings(benchmark: Benchmark, cases: Mapping[str, int]) -> Iterator[Finding]:
    """Tasks with too few training cases to set some aside."""
    for name, number in cases.items() if benchmark.budget.checkpoint == "best" else ():
        train, _ = benchmark.sample_of(name).counts(name, number)
        if train < 2:
            message = f"sets a fifth of the training cases aside, and task {name} has {train}"
            yield ("budget", "checkpoint"), f"{message}; give it two or more, or write final"
