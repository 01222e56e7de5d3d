"""Several orders of the tasks, and cumulative training: what is averaged over what, and held against what.

The second order is a rotation of the first, so that a table that confuses a task with its place is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

import pytest

from clbench.errors import ClbenchError
from clbench.results import BaselineInfo, BenchmarkInfo, Hole, Row, StageRecord, Stat, Summary, summarise
from clbench.results.account_model import Missing
from clbench.results.model import BaselineSummary

ORDERS = (("liver", "lung", "spleen"), ("spleen", "liver", "lung"))
INFO = BenchmarkInfo(
    name="toy",
    version=1,
    title="A toy",
    sequence=ORDERS[0],
    targets=("vessel",),
    seeds=(0, 1),
    baselines=tuple(BaselineInfo(name, name) for name in ("from-scratch", "joint", "cumulative", "finetune")),
    caveats=(),
    orders=ORDERS,
)
MATRICES = {
    ("cumulative", 1): ((0.5,), (0.75, 0.875), (0.75, 0.75, 1.0)),
    ("cumulative", 2): ((0.75,), (0.75, 1.0), (0.75, 1.0, 0.75)),
    ("finetune", 1): ((0.5,), (0.25, 0.75), (0.0, 0.5, 1.0)),
    ("finetune", 2): ((0.75,), (0.5, 0.5), (0.25, 0.25, 0.25)),
}
SCRATCH = {0: (0.5, 0.5, 0.5), 1: (0.25, 0.5, 0.75)}
JOINT = {0: 1.0, 1: 0.75}


def row(
    protocol: str, baseline: str, seed: int, order: int, stage: int, trained_on: str, task: str, dice: float
) -> Row:
    place = ("toy", 1, protocol, baseline, seed, order, stage, trained_on)
    return Row(*place, 1.0, 25, task, "a", "organ", "dice", dice)


def rows() -> Iterator[Row]:
    for (baseline, order), matrix in MATRICES.items():
        protocol, tasks = "cumulative" if baseline == "cumulative" else "continual", ORDERS[order - 1]
        for seed, (stage, line) in product((0, 1), enumerate(matrix, start=1)):
            trained_on = "+".join(tasks[:stage]) if protocol == "cumulative" else tasks[stage - 1]
            for task, dice in zip(tasks, line, strict=False):
                yield row(protocol, baseline, seed, order, stage, trained_on, task, dice)
    for seed in (0, 1):
        for task, dice in zip(ORDERS[0], SCRATCH[seed], strict=True):
            yield row("from-scratch", "from-scratch", seed, 1, 1, task, task, dice)
            yield row("joint", "joint", seed, 1, 1, "+".join(ORDERS[0]), task, JOINT[seed])


def made(
    keep: Callable[[Row], bool] = lambda row: True,
    records: Sequence[StageRecord] = (),
    missing: Mapping[Hole, str] | None = None,
) -> Summary:
    return summarise(INFO, [row for row in rows() if keep(row)], records, missing or {})


def entry(summary: Summary, name: str) -> BaselineSummary:
    return next(baseline for baseline in summary.baselines if baseline.name == name)


def numbers(stats: Sequence[Stat | None]) -> list[tuple[float, int, int] | None]:
    """Mean, how many replicates have it, and how many should."""
    return [None if stat is None else (round(stat.mean, 9), stat.seeds, stat.planned) for stat in stats]


def number(stat: Stat | None) -> tuple[float, int, int] | None:
    return numbers([stat])[0]


def test_dice_is_by_task_whatever_its_place_and_averaged_over_seeds_and_orders() -> None:
    finetune = entry(made(), "finetune")
    assert numbers(finetune.final.dice) == [(0.125, 4, 4), (0.375, 4, 4), (0.625, 4, 4)]
    assert finetune.after_stage is not None
    assert numbers(finetune.after_stage.dice) == [(0.5, 4, 4), (0.5, 4, 4), (0.875, 4, 4)]
    assert number(finetune.final.mean) == (0.375, 4, 4)


def test_what_has_no_order_counts_by_seed() -> None:
    summary = made()
    assert numbers(entry(summary, "from-scratch").final.dice) == [(0.375, 2, 2), (0.5, 2, 2), (0.625, 2, 2)]
    assert number(entry(summary, "joint").metrics.average_accuracy) == (0.875, 2, 2)


def test_every_order_has_a_matrix_of_its_own_over_seeds() -> None:
    first, second = entry(made(), "finetune").matrices
    assert [numbers(line) for line in first] == [
        [(0.5, 2, 2), None, None],
        [(0.25, 2, 2), (0.75, 2, 2), None],
        [(0.0, 2, 2), (0.5, 2, 2), (1.0, 2, 2)],
    ]
    assert [numbers(line) for line in second] == [
        [(0.75, 2, 2), None, None],
        [(0.5, 2, 2), (0.5, 2, 2), None],
        [(0.25, 2, 2), (0.25, 2, 2), (0.25, 2, 2)],
    ]


def test_cumulative_training_is_read_stage_by_stage() -> None:
    cumulative = entry(made(), "cumulative")
    assert (cumulative.protocol, cumulative.staged) == ("cumulative", True)
    assert numbers(cumulative.matrices[1][1]) == [(0.75, 2, 2), (1.0, 2, 2), None]
    assert cumulative.after_stage is not None
    assert numbers(cumulative.after_stage.dice) == [(0.75, 4, 4), (0.8125, 4, 4), (0.875, 4, 4)]
    assert number(cumulative.metrics.backward_transfer) == (0.03125, 4, 4)
    assert number(cumulative.metrics.intransigence) == (0.0, 4, 4)


def test_plasticity_is_against_from_scratch_under_the_same_seed() -> None:
    # order 1: lung and spleen, .375 and .25; order 2: liver and lung, -.125 and 0
    assert number(entry(made(), "finetune").metrics.plasticity) == (0.125, 4, 4)


def test_intransigence_is_against_cumulative_in_the_same_order() -> None:
    # order 1: (.125 + 0) / 2; order 2: (.5 + .5) / 2
    assert number(entry(made(), "finetune").metrics.intransigence) == (0.28125, 4, 4)


def test_without_cumulative_training_there_is_no_intransigence() -> None:
    metrics = entry(made(lambda row: row.protocol != "cumulative"), "finetune").metrics
    assert metrics.intransigence is None
    assert number(metrics.plasticity) == (0.125, 4, 4)


def test_the_gap_is_that_of_each_replicate_also_for_what_has_no_order() -> None:
    summary = made()
    gaps = {name: number(entry(summary, name).metrics.gap_closed) for name in ("joint", "finetune")}
    assert gaps == {"joint": (1.0, 4, 4), "finetune": (0.0, 4, 4)}
    closed = entry(summary, "cumulative").metrics.gap_closed
    assert closed is not None
    assert closed.mean == pytest.approx((2 / 3 + 7 / 9 + 4 / 3 + 7 / 6) / 4)
    assert number(entry(summary, "from-scratch").metrics.gap_closed) == (round((1 / 3 + 1 / 2) / 4, 9), 4, 4)


def without_last_stage(row: Row) -> bool:
    """All but the last stage of fine-tuning in order 2 under seed 1."""
    return (row.baseline, row.seed, row.order, row.stage) != ("finetune", 1, 2, 3)


def test_a_hole_in_one_order_names_it_and_leaves_the_other_order_whole() -> None:
    summary = made(without_last_stage)
    assert [one.model_dump(exclude={"reason"}) for one in summary.missing] == [
        {"protocol": "continual", "baseline": "finetune", "seed": 1, "order": 2, "stage": 3}
    ]
    finetune = entry(summary, "finetune")
    assert numbers(finetune.final.dice)[1] == (round(1.25 / 3, 9), 3, 4)
    assert numbers(finetune.matrices[0][2]) == [(0.0, 2, 2), (0.5, 2, 2), (1.0, 2, 2)]
    assert numbers(finetune.matrices[1][2]) == [(0.25, 1, 2)] * 3
    assert number(finetune.metrics.average_accuracy) == (round(1.25 / 3, 9), 3, 4)
    assert number(entry(summary, "joint").metrics.gap_closed) == (1.0, 3, 4)
    assert number(entry(summary, "joint").metrics.average_accuracy) == (0.875, 2, 2)


@pytest.mark.parametrize("place", [("cumulative", "cumulative"), ("continual", "finetune")])
def test_the_reason_of_one_stage_explains_no_other(place: tuple[str, str]) -> None:
    summary = made(lambda row: row.protocol != place[0], (), {Hole(*place, 1, 2, 3): "killed"})
    explained = [(one.seed, one.order, one.stage) for one in summary.missing if one.reason == "killed"]
    assert (explained, len(summary.missing)) == ([(1, 2, 3)], 12)


def test_a_reason_in_one_order_explains_no_hole_in_the_other() -> None:
    missing = {Hole("continual", "finetune", 1, 2, 3): "killed"}
    absent = {(1, 2, 3), (1, 1, 3)}
    summary = made(
        lambda row: row.baseline != "finetune" or (row.seed, row.order, row.stage) not in absent, (), missing
    )
    reasons = {one.order: one.reason for one in summary.missing}
    assert reasons[2] == "killed"
    assert "no result" in reasons[1]


def test_a_missing_stage_of_cumulative_training_is_a_hole_and_costs_only_its_order() -> None:
    summary = made(lambda row: (row.baseline, row.order, row.stage) != ("cumulative", 2, 2))
    assert {(one.protocol, one.order, one.stage) for one in summary.missing} == {("cumulative", 2, 2)}
    assert all(isinstance(one, Missing) for one in summary.missing)
    assert number(entry(summary, "finetune").metrics.intransigence) == (0.0625, 2, 4)


def record(seed: int, order: int, stage: int, seconds: float) -> StageRecord:
    cost = {"train_seconds": seconds, "evaluate_seconds": 1.0}
    evidence = {"inert": False, "expected": True, "numbers": {}}
    task = ORDERS[order - 1][stage - 1]
    return StageRecord("continual", "finetune", seed, order, stage, task, "job", cost, evidence, stage == 1)


RECORDS = [record(seed, order, stage, 2.0 * order) for order in (2, 1) for seed in (1, 0) for stage in (1, 2, 3)]


def test_costs_are_summed_within_an_order_and_averaged_over_replicates() -> None:
    cost = next(one for one in made(records=RECORDS).costs if one.baseline == "finetune")
    assert (number(cost.train_seconds), number(cost.shared_seconds)) == ((9.0, 4, 4), (3.0, 4, 4))
    holed = made(without_last_stage, RECORDS)
    cost = next(one for one in holed.costs if one.baseline == "finetune")
    assert number(cost.train_seconds) == (8.0, 3, 4)


def test_evidence_is_in_order_of_seed_order_and_stage() -> None:
    (found,) = made(records=RECORDS).evidence
    assert [(stage.seed, stage.order, stage.stage) for stage in found.stages] == list(
        product((0, 1), (1, 2), (1, 2, 3))
    )
    assert found.stages[3].trained_on == "spleen"


@pytest.mark.parametrize(
    ("protocol", "baseline", "order", "message"),
    [
        ("continual", "finetune", 3, "rows of order 3"),
        ("joint", "joint", 2, "rows of a further order of joint, which is run without one"),
        ("transfer", "finetune", 2, "rows of a further order of transfer"),
    ],
)
def test_rows_of_an_order_that_was_not_asked_for_are_refused(
    protocol: str, baseline: str, order: int, message: str
) -> None:
    strange = row(protocol, baseline, 0, order, 1, "liver", "liver", 0.5)
    with pytest.raises(ClbenchError, match=message):
        summarise(INFO, [*rows(), strange], [], {})


def test_a_summary_of_several_orders_comes_back_from_its_json() -> None:
    summary = made(without_last_stage, RECORDS)
    assert Summary.model_validate_json(summary.model_dump_json()) == summary
