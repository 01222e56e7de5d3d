"""The stage loop is nnU-Net's training step, and begins anew where it can't resume."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import replace

import pytest
import torch

from clbench.job.assembly import _network, assemble
from clbench.job.selection import Selection
from clbench.job.stage import run_stage, trainee_of
from clbench.job.train import plain_state, save_resume, train
from clbench.methods.finetune import Finetune
from clbench.network.batch import Batch
from clbench.store import JobFolder
from clbench.training.stage import Diverged, Schedule, Stage


def first_stage(run):
    return trainee_of(run.jobs("finetune")[0], run.store)


def stock_trainer(trainee, tmp_path, weights):
    """An ``nnUNetTrainer`` of the same plan and task with these weights."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    task = trainee.prepared.tasks[trainee.spec.tasks[0]]
    plans = copy.deepcopy(trainee.prepared.plans) | {"continue_training": False, "dataset_name": task.raw.name}
    folders = {"nnUNet_raw": task.raw.parent, "nnUNet_preprocessed": tmp_path / "p", "nnUNet_results": tmp_path / "r"}
    os.environ.update({name: str(folder) for name, folder in folders.items()})
    (name,) = plans["configurations"]
    data = tmp_path / "p" / task.raw.name / plans["configurations"][name]["data_identifier"]
    data.parent.mkdir(parents=True)
    data.symlink_to(task.preprocessed)
    trainer = nnUNetTrainer(plans, name, 0, json.loads(json.dumps(task.dataset_json)), torch.device("cpu"))
    trainer.initial_lr = trainee.spec.lr
    trainer.initialize()
    trainer.network.load_state_dict(weights)
    return trainer


def test_three_steps_equal_those_of_nnunettrainer_to_the_bit(tiny_run, tmp_path):
    trainee = first_stage(tiny_run)
    stage, _, _ = assemble(trainee)
    network = stage.network.to(memory_format=torch.contiguous_format)
    schedule = Schedule(10, 2, 2, lr=trainee.spec.lr, momentum=0.99, weight_decay=3e-5, warmup=0)
    ours = Stage(network, stage.loss, schedule, Finetune(), stage.deck, stage.supply, stage.device)
    trainer = stock_trainer(trainee, tmp_path, network.nnunet_weights("mini-liver"))
    for iteration in range(3):
        batch = next(stage.supply.batches(iter([(0, stage.deck.draw(2))])))
        batch = Batch(batch.data.contiguous(), batch.target, batch.keys)
        loss = ours.step(batch, iteration)
        theirs = trainer.train_step({"data": batch.data, "target": list(batch.target)})
        assert float(loss) == float(theirs["loss"])
    expected = trainer.network.state_dict()
    for name, value in network.nnunet_weights("mini-liver").items():
        assert torch.equal(value, expected[name]), name


def test_learning_rate_is_nnunets_polynomial_after_warmup():
    from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.01)
    theirs = PolyLRScheduler(optimizer, 0.01, 7)
    ours = Schedule(7, 3, 2, 0.01, 0.99, 3e-5, warmup=0)
    for epoch in range(7):
        theirs.step(epoch)
        assert ours.rate(epoch, 3 * epoch) == optimizer.param_groups[0]["lr"]
    assert Schedule(7, 3, 2, 0.01, 0.99, 3e-5, warmup=4).rate(0, 0) == 0.01 / 4


class _Silent:
    def at(self, doing: str, done: int) -> None: ...


def test_a_damaged_resume_file_is_put_away_and_training_begins_anew(tiny_run, tmp_path, capfd):
    job = tiny_run.jobs("finetune")[0]
    trainee = trainee_of(job, tiny_run.store)
    folder = trainee.folder.__class__(tmp_path / "job")
    folder.path.mkdir()
    (folder.path / "resume.pth").write_bytes(b"half of a file" * 10)
    again = train(trainee.__class__(job, trainee.spec, folder, None, trainee.prepared, trainee.device), _Silent())
    assert "damaged" in capfd.readouterr().out
    assert again["losses"] == tiny_run.result(job)["losses"]


def test_a_resume_of_another_network_is_not_blamed_on_the_method(tiny_run, tmp_path):
    trainee = replace(first_stage(tiny_run), folder=JobFolder(tmp_path))
    stage, _, _ = assemble(trainee)
    state = plain_state(trainee, stage, Selection(trainee, stage))
    save_resume(tmp_path / "resume.pth", {**state, "network": {}})
    with pytest.raises(RuntimeError, match="Missing key"):
        train(trainee, _Silent())


def test_a_finished_training_is_not_trained_again_when_only_its_evaluation_is_asked_anew(tiny_run):
    job = tiny_run.jobs("finetune")[1]
    folder = tiny_run.store.job(job.id)
    before = folder.check("trained")
    (folder.path / "result.json").unlink()
    result = run_stage(tiny_run.plan, job, tiny_run.store)
    assert folder.check("trained") == before
    assert result["measurements"]


def test_a_diverging_run_stops_with_epoch_rate_and_what_to_do(tiny_run):
    stage, _, _ = assemble(first_stage(tiny_run))
    with torch.no_grad():
        next(stage.network.parameters()).fill_(float("nan"))
    with pytest.raises(Diverged, match=r"epoch 1 of 2.*lower the learning rate"):
        stage.train_epoch()


def test_the_network_of_a_stage_starts_from_the_previous_trunk_and_a_fresh_head(tiny_run):
    first, second = tiny_run.jobs("finetune")[:2]
    weights = tiny_run.model(first)["network_weights"]
    network = _network(trainee_of(second, tiny_run.store))
    for name, value in network.trunk.state_dict().items():
        assert torch.equal(value, weights[name]), name
    fresh, trained = network.head_weights("mini-spleen"), network.head_weights("mini-liver")
    assert not torch.equal(fresh["1.weight"], trained["1.weight"])
