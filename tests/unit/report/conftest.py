"""A small benchmark whose every number is known: three tasks, one target, five baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import pytest

from clbench.results import BaselineInfo, BenchmarkInfo, Hole, Row, StageRecord, Summary, summarise

SEQUENCE = ("mini-liver", "mini-lung", "mini-spleen")
TARGET = "mini-vessel"
METHODS = ("finetune", "ewc[strength=0.1]", "blip_strict")
BASELINES = ("from-scratch", "joint", *METHODS)
EPOCHS = (5, 25)

MATRICES = {
    "finetune": ((0.9, None, None), (0.5, 0.8, None), (0.1, 0.2, 0.9)),
    "ewc[strength=0.1]": ((0.9, None, None), (0.8, 0.7, None), (0.7, 0.6, 0.8)),
    "blip_strict": ((0.9, None, None), (0.5, 0.8, None), (0.1, 0.2, 0.9)),
}
TRANSFER = {"from-scratch": (0.25, 0.5), "finetune": (0.5, 0.625), "blip_strict": (0.375, 0.5)}


def rows_of(
    protocol: str,
    baseline: str,
    seed: int,
    stage: int,
    trained_on: str,
    epoch: int,
    task: str,
    dice: float | None,
) -> list[Row]:
    """Two cases around one Dice, with their volumes."""
    row = ("toy", 1, protocol, baseline, seed, 1, stage, trained_on, 1.0, epoch, task)
    shifts = ((0.0, "a"),) if dice is None else ((-0.03125, "a"), (0.03125, "b"))
    scores = [Row(*row, case, "organ", "dice", None if dice is None else dice + shift) for shift, case in shifts]
    predicted = [Row(*row, case, "organ", "predicted_ml", 1000.0 * (dice or 0.0)) for case in "ab"]
    return [*scores, *predicted, *(Row(*row, case, "organ", "reference_ml", 1000.0) for case in "ab")]


def continual_rows(seed: int, absent: Sequence[tuple[str, int]]) -> Iterator[Row]:
    for baseline, stage, task in product(METHODS, (1, 2, 3), (1, 2, 3)):
        if task <= stage and (baseline, stage) not in absent:
            dice = MATRICES[baseline][stage - 1][task - 1]
            place = ("continual", baseline, seed, stage, SEQUENCE[stage - 1], 25, SEQUENCE[task - 1])
            yield from rows_of(*place, None if dice is None else dice + 0.015625 * seed)


def other_rows(seed: int) -> Iterator[Row]:
    for task in SEQUENCE:
        yield from rows_of("from-scratch", "from-scratch", seed, 1, task, 25, task, 0.75)
        yield from rows_of("joint", "joint", seed, 1, "+".join(SEQUENCE), 25, task, 0.8)
    for baseline, curve in TRANSFER.items():
        stage = 1 if baseline == "from-scratch" else 4
        for epoch, dice in zip(EPOCHS, curve, strict=True):
            yield from rows_of("transfer", baseline, seed, stage, TARGET, epoch, TARGET, dice)


def record(baseline: str, seed: int, stage: int, inert: bool) -> StageRecord:
    numbers = {"penalty_ratio": [1e-7, 0.5], "tensors": 42} if stage > 1 else {}
    evidence = {"inert": inert, "expected": stage > 1, "numbers": numbers}
    cost = dict.fromkeys(("evaluate_seconds", "peak_memory_mb", "kept_cases", "remembered_mb"), 8.0)
    proof = None if baseline == "finetune" else evidence
    task = SEQUENCE[stage - 1]
    return StageRecord(
        "continual",
        baseline,
        seed,
        1,
        stage,
        task,
        f"job-{stage}",
        {"train_seconds": 2.0, **cost},
        proof,
        stage == 1,
    )


def records_of(seed: int, absent: Sequence[tuple[str, int]], inert: Sequence[str]) -> list[StageRecord]:
    places = [place for place in product(METHODS, (1, 2, 3)) if place not in absent]
    continual = [record(name, seed, stage, name in inert) for name, stage in places]
    cost = {"train_seconds": 4.0}
    return [*continual, StageRecord("transfer", "blip_strict", seed, 1, 4, TARGET, "job-4", cost, None, False)]


@pytest.fixture
def toy_rows() -> Callable[..., list[Row]]:
    """Make the toy benchmark's rows for seeds and absent (baseline, stage) pairs."""

    def make(seeds: Sequence[int] = (0,), absent: Sequence[tuple[str, int]] = ()) -> list[Row]:
        return [row for seed in seeds for row in (*continual_rows(seed, absent), *other_rows(seed))]

    return make


@pytest.fixture
def toy(toy_rows: Callable[..., list[Row]]) -> Callable[..., Summary]:
    """Make the toy benchmark's summary.

    Its arguments: the seeds, the inert baselines, the absent (baseline, stage) pairs with their reason.
    """

    def make(
        seeds: Sequence[int] = (0,),
        inert: Sequence[str] = ("blip_strict",),
        absent: Sequence[tuple[str, int]] = (),
        reason: str = "out of memory\nlast line",
        as_original: bool = False,
    ) -> Summary:
        baselines = tuple(BaselineInfo(name, f"the {name} baseline") for name in BASELINES)
        caveats = ("All cases are deformations of one patient.",)
        info = BenchmarkInfo(
            "toy", 1, "A toy", SEQUENCE, (TARGET,), tuple(seeds), baselines, caveats, (SEQUENCE,),
            as_original=as_original,
        )  # fmt: skip
        records = [entry for seed in seeds for entry in records_of(seed, absent, inert)]
        missing = {Hole("continual", name, seed, 1, stage): reason for name, stage in absent for seed in seeds}
        return summarise(info, toy_rows(seeds, absent), records, missing)

    return make
