"""Three tasks whose later ones have weights of their own: nothing is forgotten, and each keeps what it learnt."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clbench.job.assembly import assemble
from clbench.job.evaluate import load_network
from clbench.job.export import export
from clbench.job.predict import predict_case
from clbench.job.stage import trainee_of
from clbench.network.heads import MultiHeadNetwork
from clbench.nnunet.checkpoint import load
from clbench.nnunet.loader import CaseLibrary

from ...conftest import TinyRun, carry_out_here

TASKS = ["mini-liver", "mini-spleen", "mini-kidney"]
BASELINES = ["norm-per-task", "lora-per-task", "decoder-per-task"]
DEFINITION = f"""
name: isolated
version: 1
title: Two epochs of two steps, weights per task
scenario: task-incremental
sequence: [{", ".join(TASKS)}]
backbone: {{configuration: 3d_fullres, spacing: [12, 12, 12], patch: [16, 16, 16], features: [4, 8, 8]}}
optimizer: {{lr: 0.05, momentum: 0.9, warmup: 2}}
budget: {{epochs: 2, batch: 2}}
sample: {{train: 4, val: 1, seed: 0}}
protocols:
  continual: {{baselines: [{", ".join(BASELINES)}]}}
seeds: [0]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The benchmark, carried out once."""
    from clbench.run import Places
    from clbench.store import Store

    suite, root = tmp_path_factory.mktemp("suite"), tmp_path_factory.mktemp("store")
    (suite / "benchmark").mkdir()
    (suite / "benchmark" / "isolated.yaml").write_text(DEFINITION)
    plan = Places((suite,), root).plan("isolated")
    carry_out_here(plan, Store(root))
    return TinyRun(plan, Store(root))


def same(found, expected):
    """Assert that two dicts of tensors are equal to the bit."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize("baseline", BASELINES)
def test_forgetting_is_exactly_zero(run, baseline):
    learnt = [run.dice(job) for job in run.jobs(baseline)]
    for stage, task in enumerate(TASKS):
        assert any(value is not None for value in learnt[stage][task])
        for later in learnt[stage:]:
            assert later[task] == learnt[stage][task]


@pytest.mark.parametrize("baseline", BASELINES)
def test_every_stage_keeps_the_first_ones_trunk_under_every_name(run, baseline):
    first = run.model(run.jobs(baseline)[0])["network_weights"]
    for job in run.jobs(baseline)[1:]:
        trunk = load_network(trainee_of(job, run.store), "checkpoint_final").trunk.state_dict()
        same(trunk, {name: value for name, value in first.items() if "seg_layers" not in name})


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_tasks_model_differs_from_the_first_ones_only_in_what_it_owns(run, baseline):
    first = run.model(run.jobs(baseline)[0])["network_weights"]
    for job, task in zip(run.jobs(baseline)[1:], TASKS[1:], strict=True):
        model = run.model(job)
        own = model["clbench"]["own"][task]
        owned = {*own["whole"], *own["low_rank"]}
        parameters = load_network(trainee_of(job, run.store), "checkpoint_final").trunk_parameters()
        changed = {name for name in parameters if not torch.equal(model["network_weights"][name], first[name])}
        assert changed
        assert changed <= owned == set(model["clbench"]["shared"])


@pytest.mark.parametrize("baseline", BASELINES)
def test_the_third_task_begins_at_the_shared_trunk_and_the_second_keeps_what_it_learnt(run, baseline):
    first, second, third = run.jobs(baseline)
    stage, method, _ = assemble(trainee_of(third, run.store))
    weights = run.model(first)["network_weights"]
    begun = stage.network.own["mini-kidney"].tensors(stage.network.trunk_parameters())
    same(begun, {name: weights[name] for name in begun})
    assert method.effect() == 0
    assert not any(p.requires_grad for p in stage.network.own["mini-spleen"].parameters())
    kept, learnt = (run.model(job)["clbench"]["own"]["mini-spleen"] for job in (third, second))
    same(kept["whole"], learnt["whole"])
    assert kept["low_rank"].keys() == learnt["low_rank"].keys()
    for name, pair in learnt["low_rank"].items():
        assert all(map(torch.equal, kept["low_rank"][name], pair)), name


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_checkpoint_opens_in_nnunets_network_and_computes_what_ours_does(run, baseline):
    for job, task in zip(run.jobs(baseline), TASKS, strict=True):
        trainee = trainee_of(job, run.store)
        ours = load_network(trainee, "checkpoint_final").to(memory_format=torch.contiguous_format)
        stock = trainee.parts(task).network().eval()
        stock.load_state_dict(run.model(job)["network_weights"])
        data = torch.randn(2, 1, 16, 16, 16)
        for our, their in zip(ours(data, [task] * 2).logits[task], stock(data), strict=True):
            assert torch.equal(our, their)


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_case_is_predicted_with_its_tasks_own_weights(run, baseline):
    trainee, task = trainee_of(run.jobs(baseline)[1], run.store), TASKS[1]
    ours = load_network(trainee, "checkpoint_final")
    with torch.no_grad():
        for parameter in ours.own[task].parameters():
            parameter += torch.randn_like(parameter)
    plain = MultiHeadNetwork(trainee.parts(task).network())
    plain.load_trunk(ours.nnunet_weights(task))
    plain.add_head(task, ours.head_weights(task), frozen=True)
    plain.place(trainee.device, trainee.memory_format).eval()
    untouched = load_network(trainee, "checkpoint_final")
    masks = [predicted(network, trainee, task) for network in (ours, plain, untouched)]
    assert (masks[0] == masks[1]).all()
    assert (masks[0] != masks[2]).any()


def predicted(network, trainee, task):
    """The label map of the task's validation case."""
    prepared = trainee.prepared.tasks[task]
    data, _, _, properties = CaseLibrary({task: prepared.preprocessed}).load_case((task, prepared.val[0]))
    return predict_case(network, trainee.predicting(task), task, np.asarray(data[:]), properties, mirror=False)


@pytest.mark.parametrize("baseline", BASELINES)
def test_the_last_stage_exports_every_tasks_model_as_its_own_stage_wrote_it(run, tmp_path, baseline):
    jobs = run.jobs(baseline)
    for job, task in zip(jobs, TASKS, strict=True):
        export(run.plan, jobs[-1], run.store, tmp_path / task, task)
        exported = load(tmp_path / task / "fold_0/checkpoint_final.pth")
        same(exported["network_weights"], run.model(job)["network_weights"])


@pytest.mark.parametrize("baseline", BASELINES)
def test_evidence_says_that_the_tasks_own_weights_moved_and_how_many_they_are(run, baseline):
    for job, task in zip(run.jobs(baseline)[1:], TASKS[1:], strict=True):
        evidence, cost = (run.result(job)[part] for part in ("evidence", "cost"))
        own = run.model(job)["clbench"]["own"][task]
        owned = [*own["whole"].values(), *(factor for pair in own["low_rank"].values() for factor in pair)]
        assert evidence["numbers"]["numbers_owned"] == sum(tensor.numel() for tensor in owned)
        assert evidence["numbers"]["share_of_trunk"] * cost["parameters"] == pytest.approx(
            evidence["numbers"]["numbers_owned"]
        )
        assert evidence["numbers"]["effect"] > 0
        assert not evidence["inert"]
