"""What the scenarios, further orders and the cumulative protocol make of a sequence."""

from __future__ import annotations

from pathlib import Path

import pytest

from clbench.plan import StageSpec
from clbench.run import Places

TASKS = ("mini-liver", "mini-spleen", "mini-kidney")
SEQUENCE = f"sequence: [{', '.join(TASKS)}]\n"


def planned(tmp_path: Path, text: str) -> object:
    """The plan of a definition that extends mini-organs."""
    (tmp_path / "benchmark").mkdir(exist_ok=True)
    head = "name: b\nversion: 1\ntitle: t\nextends: mini-organs\n" + SEQUENCE
    (tmp_path / "benchmark" / "b.yaml").write_text(head + text)
    return Places((tmp_path,), tmp_path / "store").plan("b")


def stages(plan: object, baseline: str, order: int = 1) -> list[object]:
    """Jobs of a baseline's stages, in order."""
    uses = [u for u in plan.uses if (u.baseline, u.order) == (baseline, order)]
    return [plan.job(u.job) for u in sorted(uses, key=lambda u: u.stage)]


def specs(plan: object, baseline: str, order: int = 1) -> list[StageSpec]:
    return [StageSpec.model_validate(job.spec) for job in stages(plan, baseline, order)]


CLASSES = """
scenario: class-incremental
heads: {}
protocols: {joint: {}, cumulative: {}, continual: {baselines: [BASELINE]}}
"""


@pytest.mark.parametrize("baseline", ["finetune", "si"])
def test_stage_one_is_plain_training_with_a_head_of_its_own_unless_a_method_watches_it(tmp_path, baseline):
    plan = planned(tmp_path, CLASSES.replace("BASELINE", baseline))
    heads = [spec.heads for spec in specs(plan, baseline)]
    assert heads == ["joined" if baseline == "si" else "own", "joined", "joined"]
    assert all(job.evaluate_with == "last" for job in plan.jobs if job.kind == "stage")


def test_joint_training_has_the_scenarios_heads_from_the_start(tmp_path):
    plan = planned(tmp_path, CLASSES.replace("BASELINE", "finetune"))
    assert {spec.heads for spec in specs(plan, "joint")} == {"joined"}


def test_a_cumulative_stage_begins_at_the_one_before_and_trains_on_all_cases_so_far(tmp_path):
    plan = planned(tmp_path, "protocols: {from-scratch: {}, cumulative: {}}\n")
    jobs, found = stages(plan, "cumulative"), specs(plan, "cumulative")
    assert [spec.tasks for spec in found] == [TASKS[:1], TASKS[1::-1], (TASKS[2], *TASKS[:2])]
    assert [spec.so_far for spec in found] == [TASKS[:1], TASKS[:2], TASKS]
    assert [spec.iterations for spec in found] == [6, 12, 18]
    assert [use.trained_on for use in plan.uses if use.protocol == "cumulative"][2] == "+".join(TASKS)
    assert jobs[1].parents[1] == jobs[0].id
    assert jobs[2].parents[1] == jobs[1].id
    assert jobs[0].id in {use.job for use in plan.uses if use.protocol == "from-scratch"}


def test_every_order_is_a_sequence_of_its_own_and_shares_what_is_equal(tmp_path):
    text = f"orders: [[{', '.join(TASKS[::-1])}], [mini-liver, mini-kidney, mini-spleen]]\n"
    plan = planned(tmp_path, text + "protocols: {from-scratch: {}, cumulative: {}, continual: {baselines: [ewc]}}\n")
    assert [spec.tasks[0] for spec in specs(plan, "ewc", 2)] == list(TASKS[::-1])
    assert stages(plan, "ewc", 3)[0].id == stages(plan, "ewc", 1)[0].id
    later = [{job.id for job in stages(plan, "ewc", order)[1:]} for order in (1, 2, 3)]
    assert not later[0] & later[1]
    assert not later[0] & later[2]
    assert {use.order for use in plan.uses if use.protocol in ("cumulative", "continual")} == {1, 2, 3}
    assert {use.order for use in plan.uses if use.protocol == "from-scratch"} == {1}


def test_transfer_begins_at_the_backbone_of_the_first_order(tmp_path):
    text = f"orders: [[{', '.join(TASKS[::-1])}]]\nprotocols:\n  continual: {{baselines: [finetune]}}\n"
    plan = planned(tmp_path, text + "  transfer: {targets: [mini-lung], from: [finetune]}\n")
    (job,) = [plan.job(use.job) for use in plan.uses if (use.protocol, use.baseline) == ("transfer", "finetune")]
    assert job.parents[1] == stages(plan, "finetune", 1)[2].id


def test_another_head_to_be_evaluated_with_trains_nothing_anew(tmp_path):
    text = "heads: {{evaluate_with: {}}}\nprotocols: {{continual: {{baselines: [finetune]}}}}\n"
    own, last = (planned(tmp_path, text.format(which)) for which in ("own", "last"))
    assert [job.id for job in own.jobs] == [job.id for job in last.jobs]
    assert {j.evaluation for j in own.jobs[1:]}.isdisjoint(j.evaluation for j in last.jobs[1:])
