"""Stages that add classes to one softmax: what each method trains, what it resumes to, and what is measured."""

from __future__ import annotations

import copy
import math
from collections import Counter

import pytest
import torch
from tests.conftest import TinyRun, carry_out_here

from clbench.job.assembly import assemble
from clbench.job.evaluate import load_network
from clbench.job.predict import predict_case
from clbench.job.stage import trainee_of
from clbench.nnunet.loader import CaseLibrary
from clbench.run import Places
from clbench.store import Store

SUITE = """
name: growing
version: 1
title: Two epochs of two steps, two organs in one softmax
extends: mini-organs
scenario: class-incremental
sequence: [mini-liver, mini-spleen, mini-kidney]
heads: {}
backbone: {configuration: 3d_fullres, spacing: [12, 12, 12], patch: [16, 16, 16], features: [4, 8, 8], mirror: false}
optimizer: {lr: 0.05, momentum: 0.9, warmup: 2}
budget: {epochs: 2, batch: 2}
sample: {train: 4, val: 1, seed: 0}
protocols:
  joint: {budgets: [full]}
  continual:
    baselines:
      - finetune
      - lwf: {strength: [0, 1.0]}
      - mib: {strength: 0, unbiased: false, balanced: false}
      - plop: {strength: 0, logits: 0, pseudo_labels: false, balanced: false}
      - pseudo-labels: {threshold: [0, 1.0]}
      - mib
      - plop
seeds: [0]
"""
NEUTRAL = [
    "lwf[strength=0]", "mib[strength=0,unbiased=false,balanced=false]", "pseudo-labels[threshold=1]",
    "plop[strength=0,logits=0,pseudo_labels=false,balanced=false]",
]  # fmt: skip
ACTIVE = ["lwf[strength=1]", "mib", "plop", "pseudo-labels[threshold=0]"]


@pytest.fixture(scope="module")
def growing(tmp_path_factory):
    """The benchmark ``growing``, carried out in this process."""
    root = tmp_path_factory.mktemp("growing")
    (root / "benchmark").mkdir()
    (root / "benchmark" / "growing.yaml").write_text(SUITE)
    run = TinyRun(Places((root,), root / "store").plan("growing"), Store(root / "store"))
    carry_out_here(run.plan, run.store)
    return run


def weights(run, baseline):
    return run.model(run.jobs(baseline)[-1])["network_weights"]


@pytest.mark.parametrize("baseline", NEUTRAL)
def test_neutral_settings_are_finetuning_to_the_bit_after_three_stages_and_found_inert(growing, baseline):
    for name, value in weights(growing, "finetune").items():
        assert torch.equal(value, weights(growing, baseline)[name]), name
    for job in growing.jobs(baseline)[1:]:
        assert growing.result(job)["evidence"]["inert"]


@pytest.mark.parametrize("baseline", ACTIVE)
def test_an_active_method_trains_other_weights_and_its_finite_evidence_says_so(growing, baseline):
    finetuned, active = weights(growing, "finetune"), weights(growing, baseline)
    assert any(not torch.equal(value, active[name]) for name, value in finetuned.items())
    for job in growing.jobs(baseline)[1:]:
        evidence = growing.result(job)["evidence"]
        assert evidence["expected"]
        assert not evidence["inert"]
        for name, value in evidence["numbers"].items():
            assert all(map(math.isfinite, value if isinstance(value, list) else [value])), name


@pytest.mark.parametrize("baseline", ACTIVE)
def test_a_killed_stage_resumes_to_the_same_bits_and_the_same_evidence(growing, baseline):
    trainee = trainee_of(growing.jobs(baseline)[2], growing.store)
    first, _, _ = assemble(trainee)
    first.train_epoch()
    state = copy.deepcopy(first.state())
    resumed, method, _ = assemble(trainee)
    resumed.load_state(state)
    resumed.train_epoch()
    expected = growing.model(growing.jobs(baseline)[2])["network_weights"]
    for name, value in resumed.network.nnunet_weights("mini-kidney").items():
        assert torch.equal(value, expected[name]), name
    found = growing.result(growing.jobs(baseline)[2])["evidence"]["numbers"]
    assert {"effect": method.effect()} | method.evidence() == found


@pytest.mark.parametrize(("baseline", "protocol"), [("joint", "joint"), ("finetune", "continual")])
def test_every_task_is_measured_by_its_own_classes_of_the_one_softmax(growing, baseline, protocol):
    job = growing.jobs(baseline, protocol)[-1]
    trainee = trainee_of(job, growing.store)
    network = load_network(trainee, "checkpoint_final")
    predicted = Counter()
    for number, task in enumerate(["mini-liver", "mini-spleen", "mini-kidney"], start=1):
        prepared = trainee.prepared.tasks[task]
        (case,) = prepared.val
        data, _, _, properties = CaseLibrary({task: prepared.preprocessed}).load_case((task, case))
        labels = predict_case(network, trainee.predicting(task), task, data[:], properties, False)
        voxel_ml = float(torch.tensor(properties["spacing"]).prod()) / 1000
        (found,) = (
            m["value"]
            for m in growing.result(job)["measurements"]
            if (m["task"], m["metric"]) == (task, "predicted_ml")
        )
        assert found == pytest.approx(int((labels == number).sum()) * voxel_ml)
        predicted[found] += 1
    assert len(predicted) > 1
