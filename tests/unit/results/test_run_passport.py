"""The passport of a run: from its own matrices, its own bounds as references, per replicate and then averaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from clbench.results import BaselineInfo, BenchmarkInfo, Hole, Row, Summary, summarise
from clbench.results.passport import PASSPORT, Finished, values

TASKS = ("liver", "lung", "spleen")
ORDERS = (TASKS, ("spleen", "liver", "lung"))
NAMES = ("from-scratch", "joint", "cumulative", "finetune", "ewc")
MATRICES = {
    "finetune": ((0.9, None, None), (0.5, 0.8, None), (0.1, 0.2, 0.9)),
    "ewc": ((0.9, None, None), (0.8, 0.7, None), (0.7, 0.6, 0.8)),
    "cumulative": ((0.9, None, None), (0.9, 0.85, None), (0.9, 0.85, 0.95)),
}
SCRATCH = {"liver": 0.9, "lung": 0.75, "spleen": 0.8}
JOINT = {"liver": 0.95, "lung": 0.8, "spleen": 0.85}


def info(seeds: Sequence[int], orders: tuple[tuple[str, ...], ...], names: Sequence[str] = NAMES) -> BenchmarkInfo:
    entries = tuple(BaselineInfo(name, name) for name in names)
    return BenchmarkInfo("toy", 1, "A toy", TASKS, (), tuple(seeds), entries, (), orders)


def rows(benchmark: BenchmarkInfo) -> Iterator[Row]:
    """Under every further seed all continual Dice are higher by .01; two cases a task, one of them undefined."""

    def cases(dice: float, *place: object) -> Iterator[Row]:
        yield Row("toy", 1, *place, "a", "organ", "dice", dice)
        yield Row("toy", 1, *place, "b", "organ", "dice", None)

    names = {entry.name for entry in benchmark.baselines}
    for seed in benchmark.seeds:
        for task in TASKS:
            if "from-scratch" in names:
                yield from cases(SCRATCH[task], "from-scratch", "from-scratch", seed, 1, 1, task, 1.0, 25, task)
            if "joint" in names:
                yield from cases(JOINT[task], "joint", "joint", seed, 1, 1, "+".join(TASKS), 1.0, 25, task)
        for name in names & set(MATRICES):
            for order, tasks in enumerate(benchmark.orders, start=1):
                for stage in (1, 2, 3):
                    protocol = "cumulative" if name == "cumulative" else "continual"
                    on = "+".join(tasks[:stage]) if name == "cumulative" else tasks[stage - 1]
                    for place, task in enumerate(tasks[:stage]):
                        dice = MATRICES[name][stage - 1][place] + 0.01 * seed
                        yield from cases(dice, protocol, name, seed, order, stage, on, 1.0, 25, task)


def passport(summary: Summary, baseline: str) -> dict[tuple[str, str], object]:
    return {(line.family, line.name): line.values[baseline] for line in summary.passport}


def test_each_value_is_the_formula_of_the_runs_matrix_with_its_bounds_beside_it() -> None:
    benchmark = info((0,), (TASKS,))
    found = passport(summarise(benchmark, rows(benchmark), [], {}), "ewc")
    expected = values(Finished(
        MATRICES["ewc"], finetune=MATRICES["finetune"], scratch=tuple(SCRATCH.values()),
        cumulative=(0.9, 0.85, 0.95), joint=tuple(JOINT.values()), cases=(1, 1, 1),
    ))  # fmt: skip
    assert len(found) == len(PASSPORT)
    for variant, value in expected:
        stat = found[variant.family, variant.name]
        assert (stat is None) == (value is None), variant
        assert stat is None or stat.mean == pytest.approx(value), variant
    assert sum(value is not None for value in found.values()) == len(PASSPORT) - 3, "zero-shot twice, upper triangle"


def test_numbers_are_averaged_over_seeds_and_orders_and_bounds_are_taken_in_each_order_s_own_places() -> None:
    benchmark = info((0, 1), ORDERS)
    found = passport(summarise(benchmark, rows(benchmark), [], {}), "finetune")
    accuracy, plasticity = found["accuracy", "ACC"], found["FWT", "plasticity"]
    assert (accuracy.seeds, accuracy.planned) == (4, 4)
    assert accuracy.mean == pytest.approx(0.4 + 0.005)
    own = {ORDERS[0]: (0.8 - 0.75) + (0.9 - 0.8), ORDERS[1]: (0.8 - 0.9) + (0.9 - 0.75)}
    assert plasticity.mean == pytest.approx(sum(own.values()) / 4 + 0.005)


def test_without_a_reference_its_variants_have_no_value_and_the_others_keep_theirs() -> None:
    benchmark = info((0,), (TASKS,), ("ewc",))
    found = passport(summarise(benchmark, rows(benchmark), [], {}), "ewc")
    assert found["FWT", "plasticity"] is None
    assert found["normalised", "share of joint"] is None
    assert found["BWT", "GEM, paper"].mean == pytest.approx(-0.15)


def test_joint_training_of_one_stages_length_stands_in_for_joint_training() -> None:
    benchmark = info((0,), (TASKS,), ("joint-equal", "ewc"))
    place = ("joint", "joint-equal", 0, 1, 1, "+".join(TASKS), 1.0, 25)
    equal = [Row("toy", 1, *place, task, "a", "organ", "dice", 0.5) for task in TASKS]
    found = passport(summarise(benchmark, [*rows(benchmark), *equal], [], {}), "ewc")
    assert found["normalised", "share of joint"].mean == pytest.approx(0.7 / 0.5)


def test_a_seed_with_a_hole_is_left_out_of_what_needs_it_and_of_nothing_else() -> None:
    benchmark = info((0, 1), (TASKS,))
    kept = [row for row in rows(benchmark) if (row.baseline, row.seed, row.stage) != ("ewc", 1, 2)]
    hole = {Hole("continual", "ewc", 1, 1, 2): "killed"}
    found = passport(summarise(benchmark, kept, [], hole), "ewc")
    assert (found["accuracy", "ACC"].seeds, found["accuracy", "LA"].seeds) == (2, 1)


def test_undefined_cases_are_counted_by_metric() -> None:
    benchmark = info((0,), (TASKS,))
    table = list(rows(benchmark))
    (metric,) = summarise(benchmark, table, [], {}).case_metrics
    assert (metric.name, metric.measured, metric.undefined) == ("dice", len(table), len(table) // 2)
