"""Whose plan the tasks share: what may be written, what it means, and what is said where it can't be meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clbench.plan import PlanPolicy
from clbench.plan.policy import plan_policy
from plans_document import DOCUMENT, with_network

from .conftest import Suite

GRID = "{configuration: 3d_fullres, patch: [24, 24, 24], features: [8, 16, 32, 32]}"
TARGETS = "targets: [gamma]"
TRANSFER = "  transfer: {targets: [gamma], from: [plain, joint], epochs: [5, 25], fractions: [0.5, 1.0]}\n"


def choose(suite: Suite, plans: str, configuration: str = "3d_fullres") -> None:
    suite.benchmark(GRID, f"{{configuration: {configuration}, plans: {plans}}}")


def plans_file(suite: Suite, document: object = DOCUMENT, name: str = "benchmark/mine/nnUNetPlans.json") -> Path:
    return suite.write(name, json.dumps(document))


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        ("shared", PlanPolicy()),
        ("median", PlanPolicy(rule="median")),
        ("first", PlanPolicy(rule="own", task="alpha")),
        ("target", PlanPolicy(rule="own", task="gamma")),
        ("{target: beta}", PlanPolicy(rule="own", task="beta")),
    ],
)
def test_a_policy_is_the_rule_and_the_task_that_it_means(suite: Suite, written: str, policy: PlanPolicy) -> None:
    choose(suite, written)
    assert plan_policy(suite.resolve()) == policy


def test_nothing_written_is_the_shared_plan(suite: Suite) -> None:
    assert plan_policy(suite.resolve()) == PlanPolicy()


def test_a_file_is_found_beside_the_definition_that_names_it_also_by_one_that_extends_it(suite: Suite) -> None:
    plans_file(suite)
    choose(suite, "{file: mine/nnUNetPlans.json}")
    expected = PlanPolicy(rule="file", document=DOCUMENT)
    assert plan_policy(suite.resolve()) == expected
    below = suite.write("elsewhere/child.yaml", "name: child\nversion: 1\ntitle: A child\nextends: bench\n")
    from clbench.definitions.resolve import resolve

    assert plan_policy(resolve(below, suite.catalogue)) == expected


def test_target_without_a_held_out_task_or_with_several_is_refused_unless_one_is_named(suite: Suite) -> None:
    choose(suite, "target")
    suite.benchmark(TARGETS, "targets: [gamma, delta]")
    suite.write("tasks/delta.yaml", (suite.root / "tasks/gamma.yaml").read_text().replace("gamma", "delta"))
    problem = suite.problem()
    assert problem.field == "backbone.plans"
    assert "several held-out tasks, gamma, delta; write {target: TASK}" in problem.message
    assert problem.line == suite.line("benchmark/bench.yaml", "backbone")
    suite.benchmark("plans: target", "plans: {target: delta}")
    assert plan_policy(suite.resolve()).task == "delta"


def test_target_without_a_transfer_protocol_is_refused(suite: Suite) -> None:
    choose(suite, "target")
    suite.benchmark(TRANSFER, "")
    assert "there is no held-out task" in suite.problem().message


def test_target_without_any_task_is_refused_beside_the_sequence_that_is_misspelt(suite: Suite) -> None:
    choose(suite, "target")
    suite.benchmark(TRANSFER, "")
    suite.benchmark("sequence:", "sequenca:")
    assert {"sequenca", "backbone.plans"} <= {problem.field for problem in suite.problems()}


def test_a_target_that_is_no_task_of_the_definition_is_refused_with_the_nearest(suite: Suite) -> None:
    choose(suite, "{target: gama}")
    problem = suite.problem()
    assert (problem.field, "did you mean 'gamma'?" in problem.message) == ("backbone.plans.target", True)


def test_a_file_that_lacks_the_configuration_is_refused_with_those_it_has(suite: Suite) -> None:
    file = plans_file(suite)
    choose(suite, "{file: mine/nnUNetPlans.json}", "3d_lowres")
    problem = suite.problem()
    assert problem.field == "backbone.plans.file"
    assert problem.message == f"{file} has no configuration 3d_lowres; it has 2d, 3d_fullres"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "can't be read: No such file"),
        ("{", "can't be read as JSON"),
        ('{"configurations": {}, "a": "\\ud800"}', "can't be read as JSON: 'utf-8' codec can't encode character"),
        ("[1]", "is no plans file of nnU-Net v2"),
        ('{"a": 1}', "is no plans file of nnU-Net v2"),
        ('{"configurations": [1]}', "is no plans file of nnU-Net v2"),
        ('{"configurations": {}, "transpose_forward": [0]}', "it lacks transpose_backward, foreground_intensity"),
    ],
)
def test_a_file_that_is_no_plans_file_is_refused(suite: Suite, content: str | None, words: str) -> None:
    if content is not None:
        suite.write("benchmark/broken.json", content)
    choose(suite, "{file: broken.json}")
    problem = suite.problem()
    assert str(suite.root / "benchmark/broken.json") in problem.message
    assert words in problem.message


TWO = [[1, 1, 1], [2, 2, 2]]
OLD = {"patch_size": [16] * 3, "spacing": [1] * 3, "UNet_class_name": "PlainConvUNet", "pool_op_kernel_sizes": TWO}


def configured(configuration: object, **others: object) -> dict[str, object]:
    return DOCUMENT | {"configurations": {"3d_fullres": configuration, **others}}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (with_network(strides=TWO, n_stages=2), "stages in architecture.arch_kwargs.strides is 2 and must be 3"),
        (configured(OLD), "stages in pool_op_kernel_sizes is 2 and must be 3 at least"),
        (with_network(strides=[2, 2, 2]), "arch_kwargs.strides must be a list with three numbers for each"),
        (with_network(strides=None), "arch_kwargs.strides must be a list with three numbers for each"),
        (with_network(n_stages=4), "arch_kwargs.n_stages is for 4 resolution stages, and strides is for 3"),
        (with_network(features_per_stage=[4, 8]), "features_per_stage is for 2 resolution stages, and strides"),
        (with_network([16, 18, 16]), "patch_size[1] is 18 and must be divisible by 4, as the network's strides ask"),
        (with_network([4, 4, 4]), "patch_size [4, 4, 4] leaves one voxel in the coarsest stage"),
        (with_network([16, 16]), "patch_size is [16, 16] and must be three numbers above 0"),
        (configured({}), "spacing is None and must be three numbers above 0"),
        (configured({"patch_size": [8] * 3, "spacing": [1] * 3}), "architecture.arch_kwargs is missing"),
        (configured([]), "configurations: '3d_fullres' is no other configuration"),
        (configured({"inherits_from": "x"}), "configurations.3d_fullres.inherits_from: 'x' is no other"),
        (configured({"inherits_from": "b"}, b={"inherits_from": "b"}), "configurations.b.inherits_from: 'b' is no"),
    ],
)
def test_a_configuration_that_no_network_can_be_trained_by_is_refused_by_its_key(
    suite: Suite, document: object, words: str
) -> None:
    file = plans_file(suite, document)
    choose(suite, "{file: mine/nnUNetPlans.json}")
    problem = suite.problem()
    assert problem.field == "backbone.plans.file"
    assert problem.message.startswith(f"{file}: configurations")
    assert words in problem.message


def test_what_a_configuration_inherits_counts_as_its_own(suite: Suite) -> None:
    whole = DOCUMENT["configurations"]["3d_fullres"]
    plans_file(suite, configured({"inherits_from": "base", "patch_size": [8, 8, 8]}, base=whole))
    choose(suite, "{file: mine/nnUNetPlans.json}")
    assert suite.resolve()


def test_a_grid_beside_a_file_is_refused_for_each_key(suite: Suite) -> None:
    plans_file(suite)
    suite.benchmark(GRID, GRID.replace("{", "{plans: {file: mine/nnUNetPlans.json}, spacing: [1, 1, 1], "))
    fields = {problem.field for problem in suite.problems()}
    assert fields == {"backbone.spacing", "backbone.patch", "backbone.features"}


@pytest.mark.parametrize(
    ("written", "field", "words"),
    [
        ("largest", "backbone.plans", "'shared', 'target', 'first' or 'median'"),
        ("{}", "backbone.plans", "name one of the two"),
        ("{target: alpha, file: a.json}", "backbone.plans", "name one of the two"),
        ("{fil: a.json}", "backbone.plans.fil", "did you mean 'file'?"),
    ],
)
def test_a_choice_that_is_none_is_refused(suite: Suite, written: str, field: str, words: str) -> None:
    choose(suite, written)
    problem = suite.problem()
    assert problem.field == field
    assert words in problem.message


def spoilt(**changes: object) -> dict[str, object]:
    """The document whose configuration has other values; None takes a key out."""
    whole = DOCUMENT["configurations"]["3d_fullres"] | changes
    return configured({key: value for key, value in whole.items() if value is not None})


CT = {"normalization_schemes": ["CTNormalization"]}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (spoilt(**CT) | {"foreground_intensity_properties_per_channel": {}}, "per_channel.0 is missing, and CTNorm"),
        (spoilt(**CT), "foreground_intensity_properties_per_channel.0.mean is None and must be a number"),
        (spoilt(normalization_schemes=["MyOwnNormalization"]), "normalization_schemes[0] is 'MyOwnNormalization'"),
        (spoilt(normalization_schemes="CT"), "normalization_schemes is 'CT' and must list a class for each channel"),
        (spoilt(normalization_schemes=["NoNormalization"] * 2, use_mask_for_norm=[False] * 2), "is for 2 channels"),
        (spoilt(use_mask_for_norm=[]), "use_mask_for_norm is [] and must be a list of 1"),
        (spoilt(preprocessor_name="MyPreprocessor"), "preprocessor_name is 'MyPreprocessor', and clbench"),
        (spoilt(resampling_fn_data="mine"), "resampling_fn_data is 'mine', and nnU-Net has no such function"),
        (spoilt(batch_dice=None), "lacks batch_dice, which nnU-Net writes"),
        (spoilt() | {"transpose_forward": [2, 0, 1]}, "transpose_forward [2, 0, 1] and transpose_backward [0, 1, 2]"),
        (spoilt(spacing=[2.0, float("inf"), 1.0]), "must be three numbers above 0"),
    ],
)  # fmt: skip
def test_a_configuration_that_no_case_can_be_preprocessed_by_is_refused_by_its_key(
    suite: Suite, document: object, words: str
) -> None:
    file = plans_file(suite, document)
    choose(suite, "{file: mine/nnUNetPlans.json}")
    problems = suite.problems()
    assert {problem.field for problem in problems} == {"backbone.plans.file"}
    assert any(words in problem.message for problem in problems)
    assert all(problem.message.startswith(f"{file}: configurations") for problem in problems)
