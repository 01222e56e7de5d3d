"""What a definition leaves out of the one that it extends, so that its numbers are not taken for that one's."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from clbench.definitions.models import Benchmark
from clbench.definitions.protocols import Protocols, Transfer
from clbench.definitions.sections import Iterations
from clbench.definitions.subset import Subset
from clbench.definitions.variants import entry_parts

ALL_CASES = sys.maxsize // 4
"""Stands for a task's number of cases where nobody says it; a draw from it is fewer than all of it."""

PROTOCOLS = {name: field.alias or name for name, field in Protocols.model_fields.items()}
"""Each protocol's field, and what definitions and reports call it."""


def subset_of(small: Benchmark, larger: Iterable[Benchmark], cases: Mapping[str, int]) -> Subset | None:
    """The farthest of the definitions that ``small`` extends that it is a subset of.

    It is one if it has the same scenario, no task that the other has not, and less of something: tasks, epochs or
    cases; or, as long as nothing is added, seeds, orders, protocols, baselines, transfers or metrics. Whoever adds
    baselines and keeps tasks, epochs and cases has made another benchmark; so has who takes other tasks.

    Args:
        small: the definition, with what it extends applied.
        larger: the definitions that it extends, the nearest first, each applied likewise.
        cases: how many cases a task has, of those where that is known.
    """
    found = [subset for full in larger if (subset := _subset(small, full, cases))]
    return found[-1] if found else None


def _subset(small: Benchmark, full: Benchmark, cases: Mapping[str, int]) -> Subset | None:
    if small.scenario != full.scenario or not _all_tasks(small) <= _all_tasks(full):
        return None
    scale, coverage = list(_scale(small, full, cases)), _coverage(small, full)
    less = [_fewer(what, mine, theirs) for what, mine, theirs in coverage if len(mine) < len(theirs)]
    more = any(set(mine) - set(theirs) for what, mine, theirs in coverage if what != "seeds")
    if not scale and (more or not less):
        return None
    smaller = (*scale, *less)
    return Subset(name=full.name, version=full.version, smaller=smaller, changed=tuple(_changed(small, full)))


def _all_tasks(benchmark: Benchmark) -> set[str]:
    transfer = benchmark.protocols.transfer
    return {*benchmark.sequence, *(transfer.targets if transfer else ())}


def _scale(small: Benchmark, full: Benchmark, cases: Mapping[str, int]) -> Iterator[str]:
    """What makes every single number another one."""
    if len(small.sequence) < len(full.sequence):
        yield _fewer("tasks", small.sequence, full.sequence)
    if small.budget.epochs < full.budget.epochs:
        yield f"fewer epochs ({small.budget.epochs} of {full.budget.epochs})"
    mine, theirs = small.budget.epoch, full.budget.epoch
    if isinstance(mine, Iterations) and isinstance(theirs, Iterations) and mine.iterations < theirs.iterations:
        yield f"shorter epochs ({mine.iterations} of {theirs.iterations} iterations)"
    for index, what in enumerate(("training cases", "reported cases")):
        pairs = [(_cases(small, task, cases)[index], _cases(full, task, cases)[index]) for task in _all_tasks(small)]
        if any(few < many for few, many in pairs):
            yield f"fewer {what}"


def _cases(benchmark: Benchmark, task: str, cases: Mapping[str, int]) -> tuple[int, int]:
    """How many training and reported cases of a task are used."""
    return benchmark.sample_of(task).counts(task, cases.get(task, ALL_CASES))


def _coverage(small: Benchmark, full: Benchmark) -> list[tuple[str, Collection[Any], Collection[Any]]]:
    """What is run, of both; each number of it would be the other's, but means and ranks are over less."""
    mine, theirs = small.protocols, full.protocols
    return [
        ("orders", small.all_orders, _orders(full, small.sequence)),
        *((name, _run(mine, field), _run(theirs, field)) for field, name in PROTOCOLS.items()),
        ("baselines", _baselines(small), _baselines(full)),
        ("joint budgets", _both(mine.joint, theirs.joint, "budgets"), theirs.joint.budgets if theirs.joint else ()),
        ("transfers", _transfers(mine.transfer or theirs.transfer), _transfers(theirs.transfer)),
        ("metrics", small.metrics, full.metrics),
        ("seeds", small.seeds, full.seeds),
    ]


def _orders(benchmark: Benchmark, tasks: Collection[str]) -> set[tuple[str, ...]]:
    """The orders in which some of its tasks are learnt."""
    return {tuple(task for task in order if task in tasks) for order in benchmark.all_orders}


def _run(protocols: Protocols, field: str) -> tuple[str, ...]:
    return () if getattr(protocols, field) is None else (field,)


def _both(mine: Any, theirs: Any, field: str) -> Sequence[str]:
    """A protocol's list; the other's where the whole protocol is left out, which counts as a protocol."""
    return getattr(mine or theirs, field, ())


def _baselines(benchmark: Benchmark) -> set[tuple[str, frozenset[tuple[str, Any]]]]:
    """Every combination of a card and the settings written beside it."""
    continual = benchmark.protocols.continual
    found = set()
    for entry in continual.baselines if continual else ():
        card, written = entry_parts(entry)
        lists = [[(key, one) for one in (value if isinstance(value, tuple) else (value,))]
                 for key, value in written.items()]  # fmt: skip
        found |= {(card, frozenset(chosen)) for chosen in product(*lists)}
    return found


def _transfers(transfer: Transfer | None) -> set[tuple[Any, ...]]:
    if transfer is None:
        return set()
    schedules = [schedule.name for schedule in transfer.all_schedules]
    return set(product(transfer.targets, transfer.backbones, schedules, transfer.fractions))


def _changed(small: Benchmark, full: Benchmark) -> Iterator[str]:
    """The sections that make a number another one in another way than by their size."""
    if set(small.all_orders) - _orders(full, small.sequence):
        yield "other orders"
    if (small.new_head, small.evaluate_with) != (full.new_head, full.evaluate_with):
        yield "other heads"
    for name in ("backbone", "optimizer"):
        if getattr(small, name) != getattr(full, name):
            yield f"other {name}"
    if _kind_of_budget(small, full) or small.budget.epochs > full.budget.epochs:
        yield "other budget"
    if _draw(small, full) != _draw(full, small):
        yield "other cases"


def _kind_of_budget(small: Benchmark, full: Benchmark) -> bool:
    mine, theirs = small.budget, full.budget
    kinds = type(mine.epoch), type(theirs.epoch)
    return kinds[0] != kinds[1] or (mine.batch, mine.checkpoint) != (theirs.batch, theirs.checkpoint)


def _draw(benchmark: Benchmark, other: Benchmark) -> tuple[object, ...]:
    """Which cases are used, apart from their number; a seed says so only where both draw."""
    sample, tasks = benchmark.sample, _all_tasks(benchmark) & _all_tasks(other)
    seed = None if other.sample.seed is None else sample.seed
    return seed, sample.split, sample.fold, {task: ids for task, ids in sample.ids.items() if task in tasks}


def _fewer(what: str, mine: Collection[Any], theirs: Collection[Any]) -> str:
    return f"fewer {what} ({len(mine)} of {len(theirs)})" if mine else f"no {what}"
