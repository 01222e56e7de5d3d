from __future__ import annotations

import pytest

from .conftest import Suite


def names(suite: Suite) -> list[str]:
    return [variant.name for variant in suite.resolve().baselines]


def test_a_list_of_values_is_one_variant_each(suite: Suite) -> None:
    suite.benchmark("[plain, pull]", "[plain, {pull: {strength: [0.1, 1, 3.0, 1e-5]}}]")
    assert names(suite) == [
        "plain",
        "pull[strength=0.1]",
        "pull[strength=1]",
        "pull[strength=3]",
        "pull[strength=1e-05]",
    ]
    assert [variant.settings["strength"] for variant in suite.resolve().baselines[1:]] == [
        0.1,
        1.0,
        3.0,
        1e-5,
    ]


def test_several_lists_are_their_product_in_the_methods_own_order(suite: Suite) -> None:
    suite.benchmark("[plain, pull]", "[plain, {pull: {where: [last, all], strength: [1, 2]}}]")
    assert names(suite)[1:] == [
        "pull[strength=1,where=last]", "pull[strength=1,where=all]",
        "pull[strength=2,where=last]", "pull[strength=2,where=all]",
    ]  # fmt: skip


def test_one_value_beside_the_card_is_one_variant_with_its_value_in_the_name(suite: Suite) -> None:
    suite.benchmark("[plain, pull]", "[plain, {pull: {strict: true, cap: null}}, pull]")
    assert names(suite) == ["plain", "pull[cap=null,strict=true]", "pull"]
    assert suite.resolve().baselines[1].settings["strict"] is True


def test_what_a_definition_writes_wins_over_the_card(suite: Suite) -> None:
    suite.edit("baselines/pull.yaml", "method: pull", "method: pull\nsettings: {strength: 2, steps: 9}")
    suite.benchmark("[plain, pull]", "[plain, {pull: {strength: 5}}]")
    settings = suite.resolve().baselines[1].settings
    assert (settings["strength"], settings["steps"]) == (5.0, 9)


def test_a_transfer_may_start_from_a_variant(suite: Suite) -> None:
    suite.benchmark("[plain, pull]", "[plain, {pull: {strength: [1, 2]}}]")
    suite.benchmark("from: [plain, joint]", 'from: [plain, "pull[strength=2]"]')
    assert "pull[strength=2]" in names(suite)


def test_a_card_that_is_only_there_as_variants_is_no_backbone(suite: Suite) -> None:
    suite.benchmark("[plain, pull]", "[plain, {pull: {strength: [1, 2]}}]")
    suite.benchmark("from: [plain, joint]", "from: [pull]")
    assert "valid: joint, joint-equal, plain, pull[strength=1], pull[strength=2]" in suite.problem().message


@pytest.mark.parametrize("entry", ["plain", "{pull: {strength: [1, 1.0]}}", "{plain: {}}"])
def test_a_variant_that_is_there_twice_is_refused(suite: Suite, entry: str) -> None:
    suite.benchmark("[plain, pull]", f"[plain, {entry}]")
    problem = suite.problem()
    assert problem.field == "protocols.continual.baselines[1]"
    assert "twice" in problem.message


def test_each_wrong_value_of_a_list_is_reported_at_its_place(suite: Suite) -> None:
    suite.benchmark("[plain, pull]", "[plain, {pull: {strength: [1, true, x], steps: 2.5, wehre: [all]}}]")
    assert [(problem.field.rpartition(".pull.")[2], problem.message) for problem in suite.problems()] == [
        ("strength[1]", "must be float, not True"),
        ("strength[2]", "must be float, not 'x'"),
        ("steps", "must be int, not 2.5"),
        ("wehre", "pull has no such setting; did you mean 'where'?"),
    ]


@pytest.mark.parametrize(
    "entry", ["{pull: {strength: []}}", "{pull: {}, plain: {}}", "{}", "3", "[pull]", "{pull: 3}"]
)
def test_an_entry_that_is_neither_a_name_nor_one_card_with_values_is_refused(suite: Suite, entry: str) -> None:
    suite.benchmark("[plain, pull]", f"[plain, {entry}]")
    problem = suite.problem()
    assert problem.field.startswith("protocols.continual.baselines[1]")
    assert problem.line == suite.line("benchmark/bench.yaml", "continual")
