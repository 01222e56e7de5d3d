"""Heads that tasks share, copy or keep, and what becomes of them from stage to stage."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.conftest import TinyRun, carry_out_here

from clbench.job.assembly import _network, assemble
from clbench.job.evaluate import load_network
from clbench.job.export import export
from clbench.job.stage import trainee_of
from clbench.run import Places
from clbench.store import Store

CARDS = {
    "other-sharp": "{blur_mm: 0, noise_hu: 5}",
    "other-noisy": "{noise_hu: 90, slope: 0.6, offset_hu: 200}",
}
CARD = """
name: {name}
version: 1
title: Liver under another scanner
modality: CT
labels: {{liver: [1]}}
original_labels: {{liver: 1}}
cases: 60
source:
  kind: anatomy
  scene: abdomen
  focus: liver
  organs: {{liver: liver}}
  spacing: [8, 8, 8]
  scanner: {scanner}
"""
HEAD = """
name: {name}
version: 1
title: Two epochs of two steps
extends: mini-organs
scenario: {scenario}
sequence: [{tasks}]
heads: {heads}
backbone: {{configuration: 3d_fullres, spacing: [12, 12, 12], patch: [16, 16, 16], features: [4, 8, 8]}}
optimizer: {{lr: 0.05, momentum: 0.9, warmup: 2}}
budget: {{epochs: 2, batch: 2}}
sample: {{train: 4, val: 1, seed: 0}}
protocols: {protocols}
"""


def carried_out(root: Path, name: str, scenario: str, tasks: str, heads: str, protocols: str) -> TinyRun:
    """A small benchmark, carried out in this process."""
    for folder in ("benchmark", "tasks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for card, scanner in CARDS.items():
        (root / "tasks" / f"{card}.yaml").write_text(CARD.format(name=card, scanner=scanner))
    text = HEAD.format(name=name, scenario=scenario, tasks=tasks, heads=heads, protocols=protocols)
    (root / "benchmark" / f"{name}.yaml").write_text(text)
    plan = Places((root,), root / "store").plan(name)
    run = TinyRun(plan, Store(root / "store"))
    carry_out_here(plan, run.store)
    return run


@pytest.fixture(scope="module")
def domains(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """Two scanners, one head."""
    baselines = "[finetune, ewc: {strength: [0, 1.0]}, lwf, replay, wise]"
    return carried_out(
        tmp_path_factory.mktemp("domains"), "domains", "domain-incremental", ", ".join(CARDS), "{}",
        f"{{joint: {{budgets: [full]}}, cumulative: {{}}, continual: {{baselines: {baselines}}}}}",
    )  # fmt: skip


@pytest.fixture(scope="module")
def organs(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """Two organs whose second head begins as a copy of the first and predicts both."""
    return carried_out(
        tmp_path_factory.mktemp("organs"), "organs", "task-incremental", "mini-liver, mini-spleen",
        "{new_stage: copy-last, evaluate_with: last}", "{cumulative: {}, continual: {baselines: [finetune]}}",
    )  # fmt: skip


def heads(run, job):
    return run.model(job)["clbench"]["heads"]


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_domains_share_one_head_which_goes_on_where_it_was(domains):
    first, second = domains.jobs("finetune")
    assert list(heads(domains, first)) == list(heads(domains, second)) == ["other-sharp"]
    fresh = _network(trainee_of(second, domains.store))
    assert same(fresh.head_weights("other-sharp"), heads(domains, first)["other-sharp"])
    assert not same(heads(domains, first)["other-sharp"], heads(domains, second)["other-sharp"])


def test_a_shared_head_is_protected_with_the_trunk(domains):
    _, method, _ = assemble(trainee_of(domains.jobs("ewc[strength=1]")[1], domains.store))
    protected = {name for name in method._names if name.startswith("heads.")}
    assert protected == {f"heads.other-sharp.{i}.{part}" for i in range(2) for part in ("weight", "bias")}
    plain, neutral = (domains.jobs(name)[1] for name in ("finetune", "ewc[strength=0]"))
    assert same(domains.model(plain)["network_weights"], domains.model(neutral)["network_weights"])


def test_the_teacher_keeps_the_shared_head_as_it_was(domains):
    stage, method, _ = assemble(trainee_of(domains.jobs("lwf")[1], domains.store))
    before = method._teacher.network.head_weights("other-sharp")
    for iteration in range(2):
        stage._iteration(iteration)
    assert same(before, method._teacher.network.head_weights("other-sharp"))
    assert not same(before, stage.network.head_weights("other-sharp"))


def test_merging_moves_a_shared_head_with_the_trunk(domains):
    first, finetuned = domains.jobs("finetune")
    merged = heads(domains, domains.jobs("wise")[1])["other-sharp"]
    for name, value in heads(domains, finetuned)["other-sharp"].items():
        middle = torch.lerp(heads(domains, first)["other-sharp"][name], value, 0.5)
        torch.testing.assert_close(merged[name], middle, rtol=0, atol=1e-7)


@pytest.mark.parametrize("baseline", ["joint", "cumulative", "replay"])
def test_patches_of_several_domains_go_through_the_one_head_together(domains, baseline):
    job = domains.jobs(baseline, baseline if baseline != "replay" else "continual")[-1]
    stage, _, _ = assemble(trainee_of(job, domains.store))
    batch = next(stage.supply.batches(iter([(0, stage.deck.draw(2))])))
    output = stage.network(batch.data, tuple(CARDS))
    assert list(output.rows.values()) == [None]
    assert set(domains.dice(job)) == set(CARDS)


def test_an_exported_domain_has_the_shared_head_whichever_is_asked_for(domains, tmp_path):
    job = domains.jobs("finetune")[1]
    for name in CARDS:
        export(domains.plan, job, domains.store, tmp_path / name, name)
    files = [tmp_path / name / "fold_0/checkpoint_final.pth" for name in CARDS]
    first, second = (torch.load(file, weights_only=True)["network_weights"] for file in files)
    assert same(first, second)


def test_a_copied_head_begins_as_the_last_one_and_leaves_that_one_alone(organs):
    first, second = organs.jobs("finetune")
    network = _network(trainee_of(second, organs.store))
    assert same(network.head_weights("mini-spleen"), heads(organs, first)["mini-liver"])
    assert same(heads(organs, second)["mini-liver"], heads(organs, first)["mini-liver"])
    assert not same(heads(organs, second)["mini-spleen"], heads(organs, first)["mini-liver"])


def test_with_the_last_head_every_task_is_predicted_as_the_last_one_is(organs):
    from clbench.job.predict import predict_case
    from clbench.nnunet.loader import CaseLibrary

    trainee = trainee_of(organs.jobs("finetune")[1], organs.store)
    prepared = trainee.prepared.tasks["mini-liver"]
    case = prepared.val[0]
    data, _, _, properties = CaseLibrary({"mini-liver": prepared.preprocessed}).load_case(("mini-liver", case))
    network = load_network(trainee, "checkpoint_final")
    labels = predict_case(network, trainee.predicting("mini-spleen"), "mini-spleen", data[:], properties, True)
    rows = organs.result(organs.jobs("finetune")[1])["measurements"]
    (found,) = (m["value"] for m in rows if (m["task"], m["metric"]) == ("mini-liver", "predicted_ml"))
    voxel_ml = float(torch.tensor(properties["spacing"]).prod()) / 1000
    assert found == pytest.approx(int((labels == 1).sum()) * voxel_ml)


def test_a_cumulative_stage_trains_the_earlier_heads_too_and_starts_a_fresh_one(organs, domains):
    first, second = organs.jobs("cumulative", "cumulative")
    before, after = heads(organs, first)["mini-liver"], heads(organs, second)["mini-liver"]
    assert not same(before, after)
    stage, _, _ = assemble(trainee_of(second, organs.store))
    assert {task for task, _ in stage.deck.draw(8)} == {"mini-liver", "mini-spleen"}
    assert all(p.requires_grad for p in stage.network.heads.parameters())
