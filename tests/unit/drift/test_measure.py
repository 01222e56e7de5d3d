"""Drift of real networks: of a frozen trunk there is none, and a task with weights of its own keeps them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import TINY

from clbench.drift.activations import stage_features
from clbench.drift.chains import chains_of
from clbench.drift.measure import Measured
from clbench.drift.read import read_drift
from clbench.drift.sample import sampled
from clbench.drift.take import Taken, take, write_drift
from clbench.job.evaluate import load_network
from clbench.job.stage import run_stage, trainee_of
from clbench.nnunet.loader import CaseLibrary
from clbench.run import Places
from clbench.store import Store

OWN = """
name: own
version: 1
title: Norms of a task's own
extends: tiny
protocols:
  continual: {baselines: [norm-per-task]}
  transfer: {targets: [mini-lung], from: [norm-per-task]}
"""


@pytest.fixture(scope="module")
def plan(tiny_run, tmp_path_factory):
    """The tiny run in a store of its own."""
    root = tmp_path_factory.mktemp("drift")
    shutil.copytree(tiny_run.store.root, root, dirs_exist_ok=True)
    return tiny_run.plan.model_copy(update={"store": str(root)})


@pytest.fixture(scope="module")
def taken(plan):
    found = Taken()
    said = list(take(plan, (), None, found))
    assert len(said) == 6, said
    return found


def own_cka(taken: Taken, baseline: str) -> list[float | None]:
    return [row.cka for row in taken.drift if row.baseline == baseline]


def test_a_frozen_trunk_does_not_drift_and_a_trained_one_does(taken):
    assert own_cka(taken, "head-only") == pytest.approx([1] * 15, abs=1e-12)
    assert all(0 < value < 0.99999 for value in own_cka(taken, "finetune"))


def test_every_layer_of_every_earlier_task_is_there(taken):
    rows = [row for row in taken.drift if (row.baseline, row.stage) == ("finetune", 3)]
    assert [(row.task, row.own_stage) for row in rows[::5]] == [("mini-liver", 1), ("mini-spleen", 2)]
    layers = ["encoder.0", "encoder.1", "encoder.2", "decoder.0", "decoder.1"]
    assert [row.layer for row in rows] == 2 * layers
    assert all(row.samples >= 64 for row in rows if row.layer != "encoder.2")


def test_what_was_measured_is_not_measured_again_and_would_be_the_same_to_the_bit(plan, taken, monkeypatch):
    again = Taken()
    monkeypatch.setattr("clbench.drift.activations.stage_features", None)
    assert all(words.endswith(", measured before") for words in take(plan, (), None, again))
    assert again == taken
    monkeypatch.undo()
    for file in (*Path(plan.store).glob("jobs/*/drift.json"), *Path(plan.store).glob("jobs/*/tsne.json")):
        file.unlink()
    anew = Taken()
    assert not any("before" in words for words in take(plan, (), None, anew))
    assert anew == taken


def test_a_network_that_was_trained_to_other_weights_is_measured_again(plan, taken):
    chain = chains_of(plan, ("finetune",))[0]
    folder = Store(Path(plan.store)).job(chain.uses[1].job)
    trained = folder.read("trained")
    before = (folder.path / "trained.json").read_bytes()
    folder.seal("trained", trained, {**trained["files"], "other.pth": {"bytes": 0, "sha256": "0"}})
    measured = Measured(chain, Store(Path(plan.store)))
    try:
        with pytest.raises(Exception, match=r"other\.pth"):
            measured.drift(2)
    finally:
        (folder.path / "trained.json").write_bytes(before)


def test_a_part_of_a_run_keeps_what_was_written_of_the_rest(plan, taken, tmp_path):
    write_drift(tmp_path, plan, taken)
    whole = (tmp_path / "drift.csv").read_bytes()
    part = Taken()
    list(take(plan, ("finetune",), 0, part))
    write_drift(tmp_path, plan, part)
    assert (tmp_path / "drift.csv").read_bytes() == whole


@pytest.fixture(scope="module")
def separate(tiny_run, tmp_path_factory):
    """A method that gives each task norms of its own, on the tiny run's data and first stage."""
    root = tmp_path_factory.mktemp("own")
    (root / "suite" / "benchmark").mkdir(parents=True)
    for name, text in (("tiny", TINY), ("own", OWN)):
        (root / "suite" / "benchmark" / f"{name}.yaml").write_text(text)
    plan = Places((root / "suite",), root / "store").plan("own")
    plan, store = plan.model_copy(update={"store": str(root / "store")}), Store(root / "store")
    shutil.copytree(tiny_run.store.job(plan.jobs[0].id).path, store.job(plan.jobs[0].id).path)
    for use in plan.uses:
        if use.protocol == "continual":
            run_stage(plan, plan.job(use.job), store)
    return plan


def last_layer(trainee, task: str, own: str | None) -> np.ndarray:
    """What a head reads at the sampled voxels of a task, with the weights of a task in the trunk."""
    network, prepared = load_network(trainee, "checkpoint_final"), trainee.prepared.tasks[task]
    library, read = CaseLibrary({task: prepared.preprocessed}), []
    for tile in sampled(library, task, prepared.val, (16, 16, 16)):
        with torch.inference_mode():
            read.append(tile.voxels(network.features(tile.image, own)[0], 4).numpy())
    return np.concatenate(read)


def test_the_features_of_the_last_layer_are_what_the_tasks_own_head_reads_at_the_same_voxels(separate):
    trainee = trainee_of(chains_of(separate)[0].jobs[2], Store(Path(separate.store)))
    features = stage_features(trainee)
    for task in ("mini-spleen", "mini-kidney"):
        layer, shared = features[task]["decoder.1"], last_layer(trainee, task, None)
        np.testing.assert_allclose(layer, last_layer(trainee, task, task), rtol=1e-4, atol=1e-5)
        assert np.abs(layer - shared).max() > 1e-3, "its own weights make a difference"


def test_tasks_with_weights_of_their_own_on_a_frozen_trunk_do_not_drift(separate):
    found = Taken()
    list(take(separate, (), None, found))
    assert own_cka(found, "norm-per-task") == pytest.approx([1] * 15, abs=1e-12)


def test_drift_of_another_plan_is_left_out_and_the_report_says_so(plan, separate, taken, tmp_path):
    write_drift(tmp_path, plan, taken)
    drift, maps = read_drift(tmp_path, separate)
    assert (drift.points, maps) == ((), ())
    assert "another plan" in drift.words
    assert read_drift(tmp_path, plan)[0].words == ""


def test_a_stage_without_a_network_is_a_hole_with_its_reason(plan, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(plan.store, store)
    chain = chains_of(plan, ("finetune",))[0]
    (Store(store).job(chain.uses[2].job).path / "trained.json").unlink()
    there = plan.model_copy(update={"store": str(store)})
    found = Taken()
    list(take(there, ("finetune",), None, found))
    assert {row.stage for row in found.drift} == {2}
    assert "finetune, seed 0, from stage 3 on" in found.holes[0]
    assert "is not trained" in found.holes[0]
    write_drift(tmp_path, there, found)
    assert "3 of 4 later stages are not measured" in read_drift(tmp_path, there)[0].words
