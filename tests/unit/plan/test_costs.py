"""What a plan's jobs cost: the arithmetic, held against finished jobs and against the methods' own words."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from clbench.definitions.catalogue import Catalogue
from clbench.job.method import load_method
from clbench.job.timing import _tuples, step_seconds
from clbench.nnunet.plain import build
from clbench.plan import PrepareSpec
from clbench.plan.costs import BUFFERS, CASE_SECONDS, PATCHES_IN_IMAGE, Step, job_cost, tabled_step
from clbench.plan.network import Network
from clbench.run import Places


def stage(plan, name):
    return next(job for job in plan.jobs if job.title.startswith(name))


def test_the_table_gives_an_a100s_60_ms_for_nnunets_usual_network_and_scales_with_counted_work():
    usual = Network.nominal()
    assert tabled_step(usual, 2).seconds == pytest.approx(0.060, rel=0.01)
    assert tabled_step(usual, 4).seconds == pytest.approx(0.120, rel=0.01)


def test_a_stage_of_seven_organs_costs_its_steps_times_its_method_and_its_predictions(tmp_path: Path):
    plan = Places((), tmp_path).plan("seven-organs")
    network, data = Network.nominal(), PrepareSpec.model_validate(plan.jobs[0].spec)
    short, long = (Step(seconds, "", False) for seconds in (0.1, 0.2))
    for title, factor in (("finetune · stage 2", 1.0), ("lwf · stage 2", 1.3)):
        job = stage(plan, title)
        iterations = job.spec["epochs"] * job.spec["iterations"]
        predictions = 24 * 27 * 8 / 6  # 12 cases of two tasks, 27 tiles, 8 mirrorings, a sixth of a step each
        slow, fast = (job_cost(job, data, network, step).seconds for step in (long, short))
        assert slow - fast == pytest.approx(0.1 * (iterations * factor + predictions))


TRANSFER = """
name: held-out
version: 1
title: Every case of two tasks, and a sample of a third, none of which is here
scenario: task-incremental
sequence: [msd-spleen, msd-colon]
sample: {fold: all, train: 12, val: 4, seed: 0}
backbone: {configuration: 3d_fullres}
budget: {epochs: 1}
protocols: {continual: {baselines: [finetune]}, transfer: {targets: [msd-liver], from: [finetune]}}
seeds: [0]
"""


def test_without_data_a_targets_sample_and_every_case_of_the_sequence_are_counted(tmp_path: Path):
    (tmp_path / "held-out.yaml").write_text(TRANSFER)
    plan = Places((), tmp_path, data=tmp_path).plan(str(tmp_path / "held-out.yaml"))
    network, data = Network.nominal(), PrepareSpec.model_validate(plan.jobs[0].spec)
    assert not data.splits
    learnt = {task: data.tasks[task].cases for task in ("msd-spleen", "msd-colon")}
    assert data.counts == {"msd-liver": (12, 4), **{task: (cases, 0) for task, cases in learnt.items()}}
    free = Step(0.0, "", False)
    stages = {job.title: job_cost(job, data, network, free).seconds for job in plan.jobs[1:]}
    transfers = {title for title in stages if "msd-liver" in title}
    assert len(transfers) == 2
    assert stages == {title: 4 * CASE_SECONDS if title in transfers else 0.0 for title in stages}
    used = 12 + 4 + sum(learnt.values())
    assert job_cost(plan.jobs[0], data, network, free).disk == used * PATCHES_IN_IMAGE * network.voxels * 5


def test_the_disk_that_is_foretold_is_what_a_finished_training_takes(laboratory):
    from clbench.conformance.finding import find_variant

    trained = laboratory.chain("task-incremental", find_variant("ewc", Catalogue.open()), 2)[1]
    model = trained.model
    weights = {v.data_ptr(): v.numel() for v in model["network_weights"].values()}
    momentum = sum(s["momentum_buffer"].numel() for s in model["optimizer_state"]["state"].values())
    (configuration,) = trained.trainee.prepared.plans["configurations"].values()
    network = Network.planned(configuration)
    parts = (part for part in trained.memory.values() if isinstance(part, dict))
    memory = sum(v.numel() for part in parts for v in part.values() if isinstance(v, torch.Tensor))
    values = sum(weights.values()) + momentum + memory
    assert values == pytest.approx((2 + BUFFERS["ewc"]) * network.parameters, rel=0.02)


@pytest.mark.parametrize("name", [name for name in Catalogue.open().names("method") if name != "gpm"])
def test_what_methods_leave_for_the_next_stage_is_in_the_table(name):
    method = load_method(Catalogue.open().method_file(name), {})
    assert BUFFERS.get(name, 0.0) == pytest.approx(method.buffers(3), abs=0.1)


def test_a_step_of_the_planned_network_can_be_timed_where_it_is_asked_for():
    network = Network.nominal((16, 16, 16), (4, 8))
    assert step_seconds(network, 2, torch.device("cpu")) > 0
    assert sum(p.numel() for p in build(network).parameters()) == network.parameters
    assert Network(**{name: _tuples(value) for name, value in asdict(network).items()}) == replace(network)
