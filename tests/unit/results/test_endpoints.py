"""Which numbers are compared, each once, and what their difference under a seed is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clbench.references import read_measured, shipped_references
from clbench.results.endpoints import SUITE, differences, endpoints, numbers, primaries, samples
from clbench.results.reproduction import Measured
from clbench.results.scores import by_place, by_replicate
from toy_runs import TASKS, toy_run


def found(measured: Measured) -> dict:
    return endpoints(measured.summary.benchmark, measured.rows)


def test_the_87_numbers_of_mini_organs_are_75_and_the_suites_mean() -> None:
    """Six stage-1 results are the training from scratch; the last task's end is its own stage in six baselines."""
    mini = read_measured(shipped_references() / "mini-organs")
    every = samples(mini.summary.benchmark, mini.rows)
    held = numbers(found(mini), found(mini))
    assert (len(every), len(held)) == (87, 76)
    liver = next(one for one in held if one.name == ("from-scratch", "mini-liver at the end"))
    assert {number for _, number in liver.also} == {"mini-liver after its stage"}
    assert {baseline for baseline, _ in liver.also} == {"finetune", "l2", "ewc", "blip", "lwf", "replay"}
    ends = [one for one in held if one.name[1] == "mini-kidney at the end" and one.also]
    assert [one.also for one in ends] == [((one.name[0], "mini-kidney after its stage"),) for one in ends]
    assert len(ends) == 6
    names = [name for one in held for name in (one.name, *one.also)]
    assert sorted(names) == sorted([*every, SUITE])


def test_what_is_shared_in_the_reference_and_not_in_the_run_is_counted_by_itself() -> None:
    reference, run = toy_run((0, 1)), toy_run((0, 1), falls={"ewc": 0.1})
    liver = next(one for one in numbers(found(run), found(reference)) if one.name[1] == "liver at the end")
    assert liver.also == (("finetune", "liver after its stage"),), "ewc's first stage is another one in the run"


def test_the_primary_end_points_are_the_bounds_acc_and_the_mean_of_the_methods() -> None:
    run = toy_run((0, 1, 2))
    every = found(run)
    assert list(every)[:3] == [("from-scratch", "ACC"), ("joint", "ACC"), SUITE]
    fallen = found(toy_run((0, 1, 2), falls={"ewc": 0.1}))
    assert differences(fallen[SUITE], every[SUITE]) == pytest.approx(dict.fromkeys((0, 1, 2), -0.05))
    assert differences(fallen["joint", "ACC"], every["joint", "ACC"]) == {0: 0.0, 1: 0.0, 2: 0.0}


@pytest.mark.parametrize(
    ("baselines", "wanted"),
    [
        (("joint-equal", "finetune", "ewc"), [("joint-equal", "ACC"), SUITE]),
        (("joint", "joint-equal"), [("joint", "ACC")]),
        (("from-scratch",), [("from-scratch", "ACC")]),
        (("finetune",), [SUITE]),
    ],
)
def test_a_benchmark_has_the_primary_end_points_that_it_runs(
    baselines: tuple[str, ...], wanted: list[tuple[str, str]]
) -> None:
    run = toy_run((0, 1, 2), baselines=[name.replace("joint-equal", "joint") for name in baselines])
    info = run.summary.benchmark
    every = samples(info, run.rows)
    renamed = {(name if name[0] != "joint" or "joint" in baselines else ("joint-equal", name[1])): one
               for name, one in every.items()}  # fmt: skip
    assert list(primaries(info, renamed)) == wanted


def test_the_mean_of_one_method_is_its_acc_and_counted_once() -> None:
    run = toy_run((0, 1, 2), baselines=("joint", "finetune"))
    suite = next(one for one in numbers(found(run), found(run)) if one.name == SUITE)
    assert suite.also == (("finetune", "ACC"),)


def test_a_difference_is_the_mean_over_tasks_of_the_mean_over_cases_that_both_have() -> None:
    reference = {0: {"liver": {"a": 0.5, "b": 0.7}, "lung": {"c": 0.4}}}
    run = {0: {"liver": {"a": 0.6, "new": 0.0}, "lung": {"c": 0.1}}}
    assert differences(run, reference) == pytest.approx({0: (0.1 - 0.3) / 2})


def test_a_task_counts_as_much_as_another_whatever_its_number_of_cases() -> None:
    reference = {0: {"liver": {"a": 0.5}, "lung": {str(case): 0.5 for case in range(50)}}}
    run = {0: {"liver": {"a": 0.4}, "lung": {str(case): 0.5 for case in range(50)}}}
    assert differences(run, reference) == pytest.approx({0: -0.05})


def test_a_seed_that_lacks_a_task_on_either_side_has_no_difference() -> None:
    whole = {seed: {"liver": {"a": 0.5}, "lung": {"c": 0.4}} for seed in (0, 1)}
    for hole in ({"liver": {"a": 0.5}}, {"liver": {"a": 0.5}, "lung": {}}, {"liver": {"a": 0.5}, "lung": {"x": 1.0}}):
        assert set(differences({**whole, 1: hole}, whole)) == {0}
        assert set(differences(whole, {**whole, 1: hole})) == {0}
    assert differences({5: whole[0]}, whole) == {}


def test_a_difference_that_is_rounding_is_none() -> None:
    reference = {0: {"liver": {"a": 0.1, "b": 0.2}}}
    assert differences({0: {"liver": {"a": 0.1 + 1e-12, "b": 0.2}}}, reference) == {0: 0.0}


ORDERS = (TASKS, TASKS[::-1])


def test_with_several_orders_a_number_is_the_mean_over_them_and_a_seed_needs_all() -> None:
    reference, run = toy_run((0, 1), orders=ORDERS), toy_run((0, 1), "b", orders=ORDERS)
    info = run.summary.benchmark
    both = [{pair: one.dice for pair, one in by_replicate(info, info.baselines[2], by_place(side.rows)).items()}
            for side in (run, reference)]  # fmt: skip
    wanted = {
        seed: sum(
            sum(mine - theirs for mine, theirs in zip(both[0][pair][-1], both[1][pair][-1], strict=True)) / len(TASKS)
            for pair in both[0]
            if pair.seed == seed
        ) / 2
        for seed in (0, 1)
    }  # fmt: skip
    acc = differences(found(run)["finetune", "ACC"], found(reference)["finetune", "ACC"])
    assert acc == pytest.approx(wanted)
    holed = [row for row in run.rows if (row.baseline, row.seed, row.order) != ("finetune", 1, 2)]
    assert set(differences(samples(info, holed)["finetune", "ACC"], found(reference)["finetune", "ACC"])) == {0}


def test_bwt_is_taken_from_the_earlier_tasks_alone() -> None:
    reference = toy_run((0, 1, 2))
    better = tuple(
        replace(row, value=(row.value or 0) + 0.1) if row.task == TASKS[-1] else row for row in reference.rows
    )
    info = reference.summary.benchmark
    name = ("finetune", "BWT")
    assert set(differences(samples(info, better)[name], samples(info, reference.rows)[name]).values()) == {0.0}


def test_a_seed_that_is_named_twice_is_one() -> None:
    once = toy_run((0,))
    info = replace(once.summary.benchmark, seeds=(0, 0, 0))
    twice = endpoints(info, [*once.rows, *once.rows])
    assert differences(twice[SUITE], found(once)[SUITE]) == {0: 0.0}
