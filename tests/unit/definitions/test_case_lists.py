"""Explicit lists of cases, in the definition or in nnU-Net's own files."""

from __future__ import annotations

import json

import pytest

from .conftest import Suite

SAMPLE = "{train: 12, val: 4, seed: 0}"


def test_lists_stand_in_the_definition(suite: Suite) -> None:
    suite.benchmark(SAMPLE, "{ids: {alpha: {train: [a, b], val: [c]}}}")
    lists = suite.resolve().benchmark.sample.listed("alpha")
    assert lists is not None
    assert (lists.train, lists.val) == (("a", "b"), ("c",))


def test_a_fold_of_nnunets_splits_final_json_is_read_beside_the_definition(suite: Suite) -> None:
    folds = [{"train": ["a"], "val": ["b"]}, {"train": ["b", "c"], "val": ["a"]}]
    suite.write("benchmark/splits_final.json", json.dumps(folds))
    suite.benchmark(SAMPLE, "{ids: {alpha: {file: splits_final.json, fold: 1}}}")
    lists = suite.resolve().benchmark.sample.listed("alpha")
    assert lists is not None
    assert (lists.train, lists.val) == (("b", "c"), ("a",))


@pytest.mark.parametrize(
    ("content", "fold", "message"),
    [
        (None, 0, "can't be read: No such file"), ("{", 0, "can't be read as JSON"),
        ("{}", 0, "must be a list of folds"),
        ('[{"train": ["a"], "val": ["b"]}]', 3, "has folds 0 to 0, none numbered 3"),
        ('[{"train": ["a"]}]', 0, "fold 0: val: Field required"),
    ],
)  # fmt: skip
def test_a_file_without_such_a_fold_is_refused_with_its_line(
    suite: Suite, content: str | None, fold: int, message: str
) -> None:
    if content is not None:
        suite.write("benchmark/splits.json", content)
    suite.benchmark(SAMPLE, f"{{ids: {{alpha: {{file: splits.json, fold: {fold}}}}}}}")
    problem = suite.problem()
    assert message in problem.message
    assert problem.field == "sample.ids.alpha.file"
    assert problem.line == suite.line("benchmark/bench.yaml", "splits.json")


@pytest.mark.parametrize(
    ("ids", "field", "message"),
    [
        ("alpha: {train: [a, b], val: [b]}", "sample.ids.alpha.val[0]", "'b' is trained on too"),
        ("alpha: {train: [a, a], val: [b]}", "sample.ids.alpha.train[1]", "'a' is listed twice"),
        ("alpa: {train: [a], val: [b]}", "sample.ids.alpa", "is no task of this benchmark; did you mean 'alpha'?"),
        ("alpha: {train: [], val: [b]}", "sample.ids.alpha.train", "at least 1 item"),
        ("alpha: {train: [a]}", "sample.ids.alpha.val", "is missing"),
    ],
)
def test_lists_that_leak_repeat_or_lack_cases_are_refused(suite: Suite, ids: str, field: str, message: str) -> None:
    suite.benchmark(SAMPLE, f"{{ids: {{{ids}}}}}")
    problem = suite.problem()
    assert problem.field == field
    assert message in problem.message


def test_sampling_without_a_seed_can_t_be_written(suite: Suite) -> None:
    suite.benchmark(SAMPLE, "{train: 12, val: 4}")
    assert suite.problem().field == "sample.seed"


def test_a_model_can_be_chosen_by_the_reported_cases_only_under_the_name_that_is_stamped(suite: Suite) -> None:
    suite.benchmark("budget: {epochs: 25}", "budget: {epochs: 25, checkpoint: best-on-validation}")
    problem = suite.problem()
    assert problem.field == "budget.checkpoint"
    assert "'final', 'best' or 'best-as-original'" in problem.message


def test_choosing_a_model_needs_a_training_case_to_set_aside(suite: Suite) -> None:
    suite.benchmark("budget: {epochs: 25}", "budget: {epochs: 25, batch: 1, checkpoint: best}")
    suite.benchmark("train: 12", "train: 1")
    fields = {problem.field for problem in suite.problems()}
    assert fields == {"budget.checkpoint"}
    assert "sets a fifth of the training cases aside, and task alpha has 1" in suite.problems()[0].message
