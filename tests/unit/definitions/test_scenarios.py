"""Scenarios, orders and heads: what a definition may combine, and what it is told where it may not."""

from __future__ import annotations

import pytest

from clbench.errors import Problem

from .conftest import Suite

BENCH = "benchmark/bench.yaml"
BOTH = "labels: {organ: [1], lesion: [2, 3]}"
SCENARIO = "scenario: task-incremental"


def refused(suite: Suite, line: str) -> Problem:
    """The only problem, which stands at this line of the benchmark."""
    problem = suite.problem()
    assert (problem.file, problem.line) == (suite.root / BENCH, suite.line(BENCH, line))
    return problem


def one_label(suite: Suite, task: str, label: str) -> None:
    suite.edit(f"tasks/{task}.yaml", BOTH, f"labels: {{{label}: [1]}}")


@pytest.mark.parametrize(
    ("orders", "field", "words"),
    [
        ("[[beta]]", "orders[0]", "must hold each task of the sequence once: alpha, beta"),
        ("[[beta, gamma]]", "orders[0]", "must hold each task of the sequence once: alpha, beta"),
        ("[[beta, alpha, beta]]", "orders[0]", "must hold each task of the sequence once: alpha, beta"),
        ("[[alpha, beta]]", "orders[0]", "is the sequence itself"),
        ("[[beta, alpha], [beta, alpha]]", "orders[1]", "is listed twice"),
    ],
)
def test_a_further_order_that_is_none_is_refused(suite: Suite, orders: str, field: str, words: str) -> None:
    suite.benchmark("seeds: [0, 1]", f"seeds: [0, 1]\norders: {orders}")
    problem = refused(suite, "orders:")
    assert problem.field == field
    assert words in problem.message


def test_the_sequence_is_the_first_of_all_orders(suite: Suite) -> None:
    assert suite.resolve().benchmark.all_orders == (("alpha", "beta"),)
    suite.benchmark("seeds: [0, 1]", "seeds: [0, 1]\norders: [[beta, alpha]]")
    assert suite.resolve().benchmark.all_orders == (("alpha", "beta"), ("beta", "alpha"))


@pytest.mark.parametrize(
    ("scenario", "heads"),
    [
        ("task-incremental", ("reinit", "own")),
        ("domain-incremental", ("shared", "last")),
        ("class-incremental", ("grow", "last")),
    ],
)
def test_heads_that_are_not_written_are_the_scenarios_own(
    suite: Suite, scenario: str, heads: tuple[str, str]
) -> None:
    suite.benchmark(SCENARIO, f"scenario: {scenario}")
    if scenario == "class-incremental":
        one_label(suite, "beta", "vessel")
    benchmark = suite.resolve().benchmark
    assert (benchmark.new_head, benchmark.evaluate_with) == heads


@pytest.mark.parametrize(
    ("scenario", "heads", "message"),
    [
        (
            "task-incremental", "new_stage: grow",
            "'grow' is not for task-incremental, a head per task; valid: reinit, copy-last",
        ),
        (
            "domain-incremental", "new_stage: reinit",
            "'reinit' is not for domain-incremental, one head for all tasks; valid: shared",
        ),
        (
            "domain-incremental", "evaluate_with: own",
            "'own' is not for domain-incremental, one head for all tasks; valid: last",
        ),
        (
            "class-incremental", "new_stage: shared",
            "'shared' is not for class-incremental, one softmax that grows by each task's classes; valid: grow",
        ),
    ],
)  # fmt: skip
def test_heads_of_another_scenario_are_refused(suite: Suite, scenario: str, heads: str, message: str) -> None:
    suite.benchmark(SCENARIO, f"scenario: {scenario}\nheads: {{{heads}}}")
    if scenario == "class-incremental":
        one_label(suite, "beta", "vessel")
    problem = refused(suite, "heads:")
    assert problem.field == f"heads.{heads.partition(':')[0]}"
    assert problem.message == message


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("{organ: [1]}", "organ"),
        ("{organ: [1], clot: [2]}", "organ and clot"),
        ("{lesion: [2, 3], organ: [1]}", "lesion and organ"),
    ],
)
def test_domains_with_other_labels_or_another_order_of_them_are_refused(
    suite: Suite, labels: str, words: str
) -> None:
    suite.benchmark(SCENARIO, "scenario: domain-incremental")
    assert suite.resolve().benchmark.sequence == ("alpha", "beta")
    suite.edit("tasks/beta.yaml", BOTH, f"labels: {labels}")
    problem = refused(suite, "sequence:")
    assert problem.field == "sequence[1]"
    assert problem.message == f"beta has {words} where alpha has organ and lesion; domains have the same labels"


def test_classes_that_two_tasks_bring_are_refused(suite: Suite) -> None:
    suite.benchmark(SCENARIO, "scenario: class-incremental")
    problem = refused(suite, "sequence:")
    assert problem.field == "sequence[1]"
    assert problem.message == "beta and alpha both have organ and lesion; each task must bring classes of its own"
    one_label(suite, "beta", "lesion")
    assert "both have lesion;" in suite.problem().message
    suite.edit("tasks/beta.yaml", "labels: {lesion: [1]}", "labels: {vessel: [1]}")
    assert suite.resolve().benchmark.new_head == "grow"


@pytest.mark.parametrize("heads", ["new_stage: copy-last", "evaluate_with: last"])
def test_one_head_for_tasks_with_different_numbers_of_labels_is_refused(suite: Suite, heads: str) -> None:
    one_label(suite, "beta", "vessel")
    assert suite.resolve().benchmark.new_head == "reinit"
    suite.benchmark(SCENARIO, f"{SCENARIO}\nheads: {{{heads}}}")
    problem = refused(suite, "sequence:")
    assert problem.message == "beta and alpha have 1 and 2 labels; one head can't serve both"


@pytest.mark.parametrize("heads", ["new_stage: copy-last", "evaluate_with: last"])
def test_one_head_serves_tasks_with_as_many_labels_whatever_their_names(suite: Suite, heads: str) -> None:
    suite.edit("tasks/beta.yaml", BOTH, "labels: {vessel: [1], clot: [2]}")
    suite.benchmark(SCENARIO, f"{SCENARIO}\nheads: {{{heads}}}")
    assert suite.resolve().benchmark.sequence == ("alpha", "beta")


def for_separate_heads_only(suite: Suite) -> None:
    """Restrict the method ``pull``, which the transfer starts from too."""
    suite.edit("methods/pull.py", "    def __init__(", '    scenarios = ("task-incremental",)\n\n    def __init__(')
    suite.benchmark("from: [plain, joint]", "from: [pull]")


def test_a_baseline_whose_method_is_not_for_the_scenario_is_refused_once_with_the_reason(suite: Suite) -> None:
    for_separate_heads_only(suite)
    assert [variant.name for variant in suite.resolve().baselines] == ["plain", "pull"]
    suite.benchmark(SCENARIO, "scenario: domain-incremental")
    problem = refused(suite, "continual:")
    assert problem.field == "protocols.continual.baselines[1]"
    assert problem.message == (
        "'pull': method pull is not defined for domain-incremental, one head for all tasks; "
        "it is for task-incremental, a head per task"
    )


def test_a_misspelled_scenario_is_not_also_held_against_the_baselines(suite: Suite) -> None:
    suite.edit("methods/pull.py", "    def __init__(", '    scenarios = ("domain-incremental",)\n\n    def __init__(')
    suite.benchmark(SCENARIO, "scenario: domain-incremantal")
    assert suite.problem().field == "scenario"


def test_cumulative_training_on_a_single_task_is_refused(suite: Suite) -> None:
    text = (suite.root / BENCH).read_text(encoding="utf-8").partition("protocols:")[0]
    suite.write(BENCH, text.replace("[alpha, beta]", "[alpha]") + "protocols: {cumulative: {}}\nseeds: [0]\n")
    assert "needs two or more" in refused(suite, "sequence:").message


def test_cumulative_training_is_a_protocol_and_no_baseline(suite: Suite) -> None:
    suite.benchmark("[plain, pull]", "[plain, cumulative]")
    assert "protocol of its own" in refused(suite, "continual:").message
