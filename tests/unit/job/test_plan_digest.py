"""The shared plan's digest is in every result, and a checkpoint of another plan is not trained on."""

from __future__ import annotations

import json
import re

import pytest

from clbench.errors import ClbenchError
from clbench.job.stage import run_stage
from clbench.nnunet.checkpoint import PLAN, load, save
from clbench.run import report
from clbench.store import Store, digest


def test_every_result_and_checkpoint_carries_the_digest_of_the_plan_that_was_shared(tiny_run):
    prepared = tiny_run.plan.jobs[0]
    plans = json.loads((tiny_run.store.job(prepared.id).path / "plans.json").read_text())
    expected = digest(plans)
    assert tiny_run.result(prepared)["plans"] == expected
    for job in tiny_run.plan.jobs[1:]:
        assert tiny_run.result(job)["plan"] == expected
        assert tiny_run.model(job)[PLAN] == expected


def test_summary_and_report_say_whose_plan_it_was_and_its_digest(tiny_run, tmp_path):
    expected = tiny_run.result(tiny_run.plan.jobs[0])["plans"]
    report(tiny_run.plan, tmp_path, "clbench run tiny")
    provenance = json.loads((tmp_path / "summary.json").read_text())["provenance"]
    assert provenance["plan"] == {"policy": "shared", "sha256": expected}
    page = (tmp_path / "report.md").read_text()
    assert f"plan.sha256: {expected}" in page
    assert "plan.policy: shared" in page


def test_a_checkpoint_made_before_the_shared_plan_is_refused_with_the_layers_name(tiny_run, tmp_path):
    """The first stage's checkpoint is put there anew as a network of other features would have left it."""
    second = tiny_run.jobs("finetune")[1]
    store = Store(tmp_path)
    for job_id in second.parents:
        there = tiny_run.store.job(job_id).path
        store.job(job_id).path.parent.mkdir(exist_ok=True)
        if job_id == second.parents[0]:
            store.job(job_id).path.symlink_to(there)
    first = store.job(second.parents[1])
    model = load(tiny_run.store.job(second.parents[1]).path / "model/fold_0/checkpoint_final.pth")
    layer = "encoder.stages.1.0.convs.0.conv.weight"
    for name in [name for name in model["network_weights"] if ".stages.1.0.convs.0." in name]:
        model["network_weights"][name] = model["network_weights"][name].repeat_interleave(2, 0)
    save(first.path / "model/fold_0/checkpoint_final.pth", model)
    first.finish("trained", {}, ["model/fold_0/checkpoint_final.pth"])
    words = (
        rf"{first.path}/model does not fit.*{re.escape(layer)} is 16 × 4 × 3 × 3 × 3 there and 8 × 4 × 3 × 3 × 3 here"
    )
    with pytest.raises(ClbenchError, match=f"{words}; the features per stage differ"):
        run_stage(tiny_run.plan, second, store)
