"""Online evaluation: earlier tasks are measured within a stage, and the training is the same to the bit."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.conftest import TINY

from clbench.collect import collect
from clbench.job.evaluate import load_network
from clbench.job.monitor import Monitor
from clbench.job.predict import case_logits
from clbench.job.stage import run_stage, trainee_of
from clbench.nnunet.checkpoint import load
from clbench.nnunet.loader import CaseLibrary
from clbench.run import Places
from clbench.store import Store


@pytest.fixture(scope="module")
def watched(tiny_run, tmp_path_factory):
    """The tiny run's fine-tuning with every epoch monitored, in a store of its own."""
    root = tmp_path_factory.mktemp("watched")
    text = "name: watched\nversion: 1\ntitle: t\nextends: tiny\nmonitor: {every: 1}\n"
    protocols = "protocols:\n  continual: {baselines: [finetune]}\n"
    protocols += "  transfer: {targets: [mini-lung], from: [finetune]}\n"
    suite = root / "suite"
    (suite / "benchmark").mkdir(parents=True)
    (suite / "benchmark" / "tiny.yaml").write_text(TINY)
    (suite / "benchmark" / "watched.yaml").write_text(text + protocols)
    plan, store = Places((suite,), root / "store").plan("watched"), Store(root / "store")
    prepared = plan.jobs[0].id
    shutil.copytree(tiny_run.store.job(prepared).path, store.job(prepared).path)
    for job in plan.jobs[1:]:
        run_stage(plan, job, store)
    return plan, store


def stages(plan) -> list:
    return [plan.job(use.job) for use in plan.uses if use.protocol == "continual"]


def test_a_monitored_training_is_the_unmonitored_one_to_the_bit(watched, tiny_run):
    plan, store = watched
    for mine, other in zip(stages(plan), tiny_run.jobs("finetune"), strict=True):
        weights = load(store.job(mine.id).path / "model/fold_0/checkpoint_final.pth")["network_weights"]
        for name, value in tiny_run.model(other)["network_weights"].items():
            assert torch.equal(value, weights[name]), name
        assert store.job(mine.id).read("result")["measurements"] == tiny_run.result(other)["measurements"]


def test_every_task_so_far_is_measured_at_the_epochs_that_were_asked_for_and_not_at_the_last(watched):
    plan, store = watched
    for job, tasks in zip(stages(plan), (1, 2, 3), strict=True):
        records = store.job(job.id).read("result")["monitor"]
        assert {record["epoch"] for record in records} == {1}
        assert len({record["task"] for record in records}) == tasks
        assert all(record["value"] is None or 0 <= record["value"] <= 1 for record in records)


def test_what_is_monitored_stands_apart_from_the_rows_and_transfer_is_not_monitored(watched):
    plan, store = watched
    collected = collect(plan, store)
    assert {row.epoch for row in collected.rows if row.protocol == "continual"} == {2}
    assert {row.epoch for row in collected.monitored} == {1}
    assert {row.protocol for row in collected.monitored} == {"continual"}


def looked(trainee, tmp_path):
    """What a monitor says of the network that a stage ended with."""
    network = load_network(trainee, "checkpoint_final")
    stage = SimpleNamespace(network=network, epoch=1, schedule=SimpleNamespace(epochs=2))
    monitor = Monitor(trainee, stage)
    monitor.file, monitor.records = tmp_path / "again.json", []
    monitor.look()
    return {record["task"]: record["value"] for record in monitor.records}


def test_logits_that_are_the_reference_have_dice_1_and_logits_of_background_0(watched, tmp_path, monkeypatch):
    plan, store = watched
    trainee = trainee_of(stages(plan)[1], store)

    def logits_of(shown: bool):
        def logits(network, parts, task, data, mirror):
            assert not mirror
            prepared = trainee.prepared.tasks[task]
            seg = CaseLibrary({task: prepared.preprocessed}).load_case((task, prepared.val[0]))[1]
            foreground = torch.from_numpy(np.asarray(seg[:])[0] == 1) & shown
            return torch.stack([~foreground, foreground]).float()

        return logits

    for shown in (True, False):
        monkeypatch.setattr("clbench.job.monitor.case_logits", logits_of(shown))
        assert looked(trainee, tmp_path) == {"mini-liver": float(shown), "mini-spleen": float(shown)}


def test_each_task_is_measured_with_its_own_head(watched, tmp_path, monkeypatch):
    plan, store = watched
    heads = []

    def noted(network, parts, task, data, mirror):
        heads.append(task)
        return case_logits(network, parts, task, data, mirror)

    monkeypatch.setattr("clbench.job.monitor.case_logits", noted)
    assert looked(trainee_of(stages(plan)[2], store), tmp_path).keys() == set(heads)
    assert heads == ["mini-liver", "mini-spleen", "mini-kidney"]


def test_records_after_the_epoch_that_is_resumed_from_are_dropped(watched):
    plan, store = watched
    trainee = trainee_of(stages(plan)[1], store)
    known = json.loads((trainee.folder.path / "monitor.json").read_bytes())
    assert Monitor(trainee, SimpleNamespace(epoch=1)).records == known
    assert Monitor(trainee, SimpleNamespace(epoch=0)).records == []


def test_a_definition_without_monitor_trains_the_same_jobs_as_before_it_existed(tiny_run):
    assert all("monitor" not in trainee_of(job, tiny_run.store).spec.identity for job in tiny_run.jobs("finetune"))
    assert all("monitor" not in tiny_run.result(job) for job in tiny_run.jobs("finetune"))
