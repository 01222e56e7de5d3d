"""Runs of a toy benchmark that were never trained: bounds and methods whose chance and falls a test sets."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from clbench.results import BaselineInfo, BenchmarkInfo, Row, summarise
from clbench.results.reproduction import Measured

TASKS = ("liver", "spleen", "kidney")
CASES = ("a", "b", "c", "d")
BASELINES = ("from-scratch", "joint", "finetune", "ewc")
HERE = {"libraries": {"torch": "2.13.0"}, "arithmetic": "x86-64-v3", "libc": "glibc 2.36"}
THERE = {**HERE, "arithmetic": "native: AuthenticAMD 25/17/1"}
NOISE = 0.01


def toy_run(
    seeds: Sequence[int],
    arithmetic: str = "a",
    falls: Mapping[str, float] | None = None,
    baselines: Sequence[str] = BASELINES,
    orders: Sequence[tuple[str, ...]] = (TASKS,),
    lacking: Collection[tuple[str, int]] = (),
) -> Measured:
    """A run with its summary.

    Args:
        seeds: what it was asked for.
        arithmetic: decides the chance of each training; the same one gives the same bits.
        falls: how much lower each Dice of a baseline is.
        baselines: what was run.
        orders: of the tasks; the first is the sequence.
        lacking: baseline and seed of which the last task was not measured.
    """
    tasks = orders[0]
    entries = tuple(BaselineInfo(name, name) for name in baselines)
    info = BenchmarkInfo("toy", 1, "A toy", tasks, (), tuple(seeds), entries, (), tuple(orders))
    found = tuple(
        row
        for name in baselines
        for seed in dict.fromkeys(seeds)
        for row in _rows(name, seed, arithmetic, orders)
        if not ((name, seed) in lacking and row.task == tasks[-1])
    )
    lowered = tuple(_lowered(row, (falls or {}).get(row.baseline, 0.0)) for row in found)
    provenance = HERE if arithmetic == "a" else THERE
    return Measured(summarise(info, lowered, (), {}).model_copy(update={"provenance": provenance}), lowered)


def _rows(name: str, seed: int, arithmetic: str, orders: Sequence[tuple[str, ...]]) -> Iterator[Row]:
    if name == "from-scratch":
        for task in orders[0]:
            yield from _training(name, name, seed, 1, 1, task, [task], arithmetic)
    elif name == "joint":
        yield from _training(name, name, seed, 1, 1, "+".join(orders[0]), orders[0], arithmetic)
    else:
        for number, order in enumerate(orders, start=1):
            for stage, task in enumerate(order, start=1):
                yield from _training("continual", name, seed, number, stage, task, order[:stage], arithmetic)


def _training(
    protocol: str, name: str, seed: int, order: int, stage: int, trained_on: str, tasks: Sequence[str], arith: str
) -> Iterator[Row]:
    """The first stage of a method is the first task's training from scratch, whose chance it has."""
    shared = protocol in ("from-scratch", "continual") and stage == 1
    training = f"{trained_on} {seed}" if shared else f"{name} {order} {stage} {seed}"
    for task in tasks:
        shift = random.Random(f"{arith} {training} {task}").gauss(0, NOISE)
        for number, case in enumerate(CASES):
            place = ("toy", 1, protocol, name, seed, order, stage, trained_on, 1.0, 25, task, case, "organ", "dice")
            yield Row(*place, 0.6 + 0.01 * seed + 0.02 * number - 0.05 * (len(tasks) - 1) + shift)


def _lowered(row: Row, fall: float) -> Row:
    return row if row.value is None or not fall else replace(row, value=row.value - fall)
