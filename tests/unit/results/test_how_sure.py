"""Intervals, differences and ranks in a summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from clbench.results import BaselineInfo, BenchmarkInfo, Row, Stat, Summary, summarise
from clbench.results.model import BaselineSummary, Difference

TASKS = ("liver", "lung")
NAMES = ("from-scratch", "joint", "cumulative", "finetune", "ewc", "lwf")
CONTINUAL = ("finetune", "ewc", "lwf")
PROTOCOLS = {name: name for name in NAMES[:3]}
Value = Callable[[str, int, int, str, int], float | None]
"""Baseline, seed, stage, task, case → Dice."""


def info(
    seeds: Sequence[int], names: Sequence[str] = NAMES, orders: tuple[tuple[str, ...], ...] = (TASKS,)
) -> BenchmarkInfo:
    baselines = tuple(BaselineInfo(name, name) for name in names)
    return BenchmarkInfo("toy", 1, "A toy", TASKS, ("vessel",), tuple(seeds), baselines, (), orders)


def measured(value: Value, seeds: Sequence[int], cases: int, names: Sequence[str] = NAMES) -> list[Row]:
    rows = []
    for name in names:
        protocol = PROTOCOLS.get(name, "continual")
        for seed in seeds:
            for stage, task in [(2, "liver"), (2, "lung"), (1, "liver")]:
                trained_on = {"from-scratch": task, "joint": "liver+lung"}.get(name, TASKS[stage - 1])
                if name in ("from-scratch", "joint") and stage != TASKS.index(task) + 1:
                    continue
                at = 1 if name in ("from-scratch", "joint") else stage
                for case in range(cases):
                    place = (
                        "toy",
                        1,
                        protocol,
                        name,
                        seed,
                        1,
                        at,
                        trained_on,
                        1.0,
                        25,
                        task,
                        f"case-{case:02d}",
                    )
                    rows.append(Row(*place, "organ", "dice", value(name, seed, stage, task, case)))
    return rows


def made(
    value: Value, seeds: Sequence[int] = (0, 1, 2), cases: int = 12, names: Sequence[str] = NAMES
) -> Summary:
    return summarise(info(seeds, names), measured(value, seeds, cases, names), [], {})


def noisy(name: str, seed: int, stage: int, task: str, case: int) -> float:
    random = np.random.default_rng([NAMES.index(name), seed, stage, TASKS.index(task), case])
    return float(np.clip(0.6 - 0.2 * (task == "liver" and stage == 2) + random.normal(0, 0.05), 0, 1))


def entry(summary: Summary, name: str) -> BaselineSummary:
    return next(baseline for baseline in summary.baselines if baseline.name == name)


def dice_stats(found: BaselineSummary) -> list[Stat | None]:
    readings = [found.final, *([found.after_stage] if found.after_stage else [])]
    metrics = [stat for name, stat in found.metrics if name != "gap_closed"]
    cells = [stat for matrix in found.matrices for line in matrix for stat in line]
    return [*cells, *metrics, *(stat for reading in readings for stat in (*reading.dice, reading.mean))]


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_every_dice_and_every_metric_lies_in_its_interval_which_says_how_many_seeds_it_has(
    seeds: tuple[int, ...],
) -> None:
    for baseline in made(noisy, seeds).baselines:
        stats_of = [stat for stat in dice_stats(baseline) if stat]
        assert len(stats_of) >= 4, baseline.name
        for stat in stats_of:
            assert stat.interval is not None
            certain = stat is baseline.metrics.intransigence and baseline.name == "cumulative"
            assert stat.interval.low < stat.mean < stat.interval.high or (certain and stat.mean == 0)
            assert stat.interval.seeds == len(seeds)


def test_over_seeds_alone_an_interval_is_students_t() -> None:
    by_seed = (0.45, 0.5, 0.53)
    stat = entry(made(lambda name, seed, *_: by_seed[seed]), "ewc").final.mean
    assert stat is not None
    assert stat.interval is not None
    half = stats.t(2).ppf(0.975) * np.std(by_seed, ddof=1) / np.sqrt(3)
    assert stat.interval.low == pytest.approx(np.mean(by_seed) - half, abs=0.01)
    assert stat.interval.high == pytest.approx(np.mean(by_seed) + half, abs=0.01)


def test_over_many_cases_alone_an_interval_is_students_t() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, 80)
    stat = entry(made(lambda name, seed, stage, task, case: values[case], (0,), 80), "ewc").final.dice[0]
    assert stat is not None
    assert stat.interval is not None
    half = stats.t(79).ppf(0.975) * values.std(ddof=1) / np.sqrt(80)
    assert stat.interval.low == pytest.approx(values.mean() - half, abs=0.001)
    assert stat.interval.high == pytest.approx(values.mean() + half, abs=0.001)


def test_an_interval_stays_where_its_number_can_be() -> None:
    stat = entry(made(lambda name, seed, *_: (0.5, 1.0)[seed], (0, 1)), "ewc").final.mean
    assert stat is not None
    assert stat.interval is not None
    assert (stat.interval.low, stat.interval.high) == (0.0, 1.0)


def test_a_change_that_all_cases_and_seeds_share_is_certain_where_the_dice_are_not() -> None:
    def value(name: str, seed: int, stage: int, task: str, case: int) -> float:
        return noisy("ewc", seed, 1, task, case) - 0.25 * (stage == 2 and task == "liver")

    ewc = entry(made(value), "ewc")
    for stat, change in ((ewc.metrics.backward_transfer, -0.25), (ewc.metrics.forgetting, 0.25)):
        assert stat is not None
        assert stat.interval is not None
        assert (stat.interval.low, stat.interval.high) == pytest.approx((change, change))
    assert ewc.final.mean is not None
    assert ewc.final.mean.interval is not None
    assert ewc.final.mean.interval.high - ewc.final.mean.interval.low > 0.01


def test_plasticity_and_intransigence_are_paired_with_their_bounds() -> None:
    def value(name: str, seed: int, stage: int, task: str, case: int) -> float:
        above = {"from-scratch": -0.125, "cumulative": 0.25}.get(name, 0.0)
        return 0.5 + above + (noisy("ewc", seed, 1, task, case) - 0.6)

    metrics = entry(made(value), "ewc").metrics
    for stat, change in ((metrics.plasticity, 0.125), (metrics.intransigence, 0.25)):
        assert stat is not None
        assert stat.interval is not None
        assert (stat.interval.low, stat.interval.high) == pytest.approx((change, change), abs=1e-6)


def test_an_interval_is_by_task_whatever_the_tasks_place_in_the_order() -> None:
    rows = measured(lambda name, seed, stage, task, case: 0.5 if task == "lung" else noisy(name, seed, 2, task, case),
                    (0,), 12, ("ewc",))  # fmt: skip
    turned = [
        replace(row, order=2, stage=3 - row.stage, trained_on=TASKS[2 - row.stage])
        for row in rows
        if row.task == row.trained_on
    ]
    late = [replace(row, order=2, stage=2, trained_on="liver") for row in rows if row.task == "lung"]
    summary = summarise(info((0,), ("ewc",), (TASKS, TASKS[::-1])), [*rows, *turned, *late], [], {})
    liver, lung = entry(summary, "ewc").final.dice
    assert liver is not None
    assert lung is not None
    assert liver.interval is not None
    assert lung.interval is not None
    assert (lung.interval.low, lung.interval.high) == (0.5, 0.5)
    assert liver.interval.high > liver.interval.low
    assert (liver.seeds, liver.interval.seeds) == (2, 1)


def test_with_one_case_there_is_no_interval_and_no_verdict() -> None:
    summary = made(noisy, cases=1)
    assert [stat.interval for stat in dice_stats(entry(summary, "ewc")) if stat and stat.interval] == []
    assert {found.tie for found in summary.differences} == {None}
    assert summary.ranks == ()


def test_gap_closed_has_no_interval() -> None:
    gap = entry(made(noisy), "ewc").metrics.gap_closed
    assert gap is not None
    assert gap.interval is None


def test_a_curve_has_intervals_in_dice_and_in_the_gain_over_from_scratch_training() -> None:
    place = ("toy", 1, "transfer")
    rows = [
        Row(*place, name, seed, 1, stage, "vessel", 1.0, epoch, "vessel", f"{case}", "organ", "dice",
            0.5 + 0.01 * case + 0.02 * seed + gain * (epoch == 25))
        for name, stage, gain in (("from-scratch", 1, 0.0), ("ewc", 3, 0.25))
        for seed in (0, 1, 2) for epoch in (5, 25) for case in range(6)
    ]  # fmt: skip
    summary = summarise(info((0, 1, 2)), [*measured(noisy, (0, 1, 2), 3), *rows], [], {})
    points = {(point.baseline, point.epoch): point for point in summary.transfer}
    late = points["ewc", 25]
    assert late.dice is not None
    assert late.dice.interval is not None
    assert late.dice.interval.low < late.dice.mean < late.dice.interval.high
    assert late.gain is not None
    assert late.gain.interval is not None
    assert (late.gain.interval.low, late.gain.interval.high) == pytest.approx((0.25, 0.25))


def pairs(summary: Summary) -> dict[tuple[str, str], Difference]:
    return {(found.first, found.second): found for found in summary.differences}


def level(by_name: dict[str, float]) -> Value:
    """Baselines at their levels, with chance that all of them share."""
    return lambda name, seed, stage, task, case: (
        by_name.get(name, 0.9) + 0.05 * seed + noisy("ewc", 0, 1, task, case) - 0.6
    )


def test_one_seed_gives_neither_differences_nor_ranks() -> None:
    summary = made(level({"ewc": 0.1, "lwf": 0.5}), (0,))
    assert (summary.differences, summary.ranks) == ((), ())


def test_only_what_learns_by_a_method_is_compared_each_pair_once_and_the_higher_first() -> None:
    found = pairs(made(level({"finetune": 0.2, "ewc": 0.5, "lwf": 0.3})))
    assert list(found) == [("ewc", "finetune"), ("lwf", "finetune"), ("ewc", "lwf")]
    assert [round(one.difference.mean, 6) for one in found.values()] == [0.3, 0.1, 0.2]


def test_a_difference_that_every_case_and_seed_shares_is_no_tie_though_the_intervals_overlap() -> None:
    summary = made(level({"finetune": 0.5, "ewc": 0.52, "lwf": 0.5}))
    found = pairs(summary)["ewc", "finetune"]
    assert (found.tie, found.cases, found.effect) == (False, 24, 1.0)
    own = [entry(summary, name).final.mean for name in ("ewc", "finetune")]
    ends = [stat.interval for stat in own if stat and stat.interval]
    assert ends[0].low < ends[1].high


def test_a_difference_that_one_seed_turns_round_is_a_tie_however_many_cases_agree() -> None:
    by_seed = {"ewc": (0.7, 0.7, 0.55), "finetune": (0.5, 0.5, 0.56)}
    summary = made(lambda name, seed, *_: by_seed.get(name, (0.1, 0.1, 0.1))[seed])
    found = pairs(summary)["ewc", "finetune"]
    assert found.p_holm < 0.001
    assert found.tie is True


def test_a_difference_that_cases_do_not_show_is_a_tie_however_alike_the_seeds_are() -> None:
    def value(name: str, seed: int, stage: int, task: str, case: int) -> float:
        return 0.5 + (name == "ewc") * (0.1 if case % 4 else -0.05) * (case < 5) * (task == "liver")

    found = pairs(made(value))["ewc", "finetune"]
    assert found.p_holm >= 0.05
    assert found.tie is True


def test_the_test_over_cases_is_scipys_on_means_over_seeds_and_holm_is_over_all_pairs() -> None:
    rows = measured(noisy, (0, 1), 9, CONTINUAL)
    summary = summarise(info((0, 1), CONTINUAL), rows, [], {})
    by_name = {
        name: [
            np.mean([noisy(name, seed, 2, task, case) for seed in (0, 1)])
            for task in TASKS
            for case in range(9)
        ]
        for name in CONTINUAL
    }
    p = {}
    for left, right in combinations(CONTINUAL, 2):
        difference = np.subtract(by_name[left], by_name[right])
        p[frozenset((left, right))] = stats.wilcoxon(difference, method="exact").pvalue
    for found in summary.differences:
        assert found.p == pytest.approx(p[frozenset((found.first, found.second))])
    smallest = min(summary.differences, key=lambda found: found.p)
    assert smallest.p_holm == pytest.approx(min(1.0, 3 * smallest.p))


def test_equal_baselines_tie_and_share_the_first_place() -> None:
    summary = made(level({"finetune": 0.5, "ewc": 0.5, "lwf": 0.1}))
    found = pairs(summary)["finetune", "ewc"]
    assert (found.difference.mean, found.p, found.p_holm, found.effect, found.tie) == (
        0.0,
        1.0,
        1.0,
        0.0,
        True,
    )
    assert [(rank.baseline, rank.first, rank.best, rank.worst) for rank in summary.ranks] == [
        ("finetune", 0.5, 1, 1),
        ("ewc", 0.5, 1, 1),
        ("lwf", 0.0, 3, 3),
    ]


def test_ranks_are_from_the_highest_mean_down_and_wide_where_seeds_disagree() -> None:
    by_seed = {"ewc": (0.7, 0.7, 0.5), "finetune": (0.6, 0.6, 0.6), "lwf": (0.1, 0.1, 0.1)}
    summary = made(lambda name, seed, *_: by_seed.get(name, (0.9, 0.9, 0.9))[seed])
    assert [rank.baseline for rank in summary.ranks] == ["ewc", "finetune", "lwf"]
    first, second, last = summary.ranks
    assert (first.best, first.worst, second.best, second.worst) == (1, 2, 1, 2)
    assert (last.best, last.worst) == (3, 3)
    assert 0.5 < first.first < 0.975
    assert first.first + second.first + last.first == pytest.approx(1.0, abs=1e-5)


def test_a_pair_is_compared_over_the_seeds_that_both_have() -> None:
    rows = [
        row
        for row in measured(level({"finetune": 0.2, "ewc": 0.5, "lwf": 0.3}), (0, 1, 2), 12)
        if not (row.baseline == "ewc" and row.seed == 2 and row.stage == 2)
    ]
    summary = summarise(info((0, 1, 2)), rows, [], {})
    found = pairs(summary)["ewc", "finetune"]
    assert (found.difference.seeds, found.difference.planned) == (2, 3)
    assert round(found.difference.mean, 6) == 0.3
    assert len(summary.ranks) == 3


def test_a_pair_with_one_seed_in_common_has_no_verdict_and_a_baseline_without_any_is_left_out() -> None:
    rows = [
        row
        for row in measured(level({"finetune": 0.2, "ewc": 0.5, "lwf": 0.3}), (0, 1), 12)
        if not (row.baseline == "ewc" and row.seed == 1) and row.baseline != "lwf"
    ]
    summary = summarise(info((0, 1)), rows, [], {})
    assert {pair: found.tie for pair, found in pairs(summary).items()} == {("ewc", "finetune"): None}
    assert summary.ranks == ()


def test_a_summary_with_intervals_comes_back_from_its_json() -> None:
    summary = made(noisy)
    assert Summary.model_validate_json(summary.model_dump_json()) == summary


def test_the_order_of_the_rows_changes_nothing() -> None:
    rows = measured(noisy, (0, 1, 2), 5)
    one, other = (summarise(info((0, 1, 2)), found, [], {}) for found in (rows, rows[::-1]))
    assert one.model_dump_json() == other.model_dump_json()
