"""The stage loop is nnU-Net's training step, and resumes to the same bits."""

from __future__ import annotations

import copy
import json
import os

import pytest
import torch

from clbench.job.assembly import _network, assemble
from clbench.job.stage import run_stage, trainee_of
from clbench.job.train import save_resume, train
from clbench.methods.finetune import Finetune
from clbench.network.batch import Batch
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
    ours = Stage(network, stage.loss, schedule, Finetune(), stage.deck, stage.load, stage.device)
    trainer = stock_trainer(trainee, tmp_path, network.nnunet_weights("mini-liver"))
    for iteration in range(3):
        batch = stage.load(stage.deck.draw(2))
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


KILLED = [
    "finetune", "ewc[strength=1]", "blip[target_bits=4]", "lwf[strength=1]", "replay[cases=2,share=0.5]",
    "ewc-each[strength=1,fisher=empirical,update=gradient,cap=true]", "mas[strength=1]", "ema[decay=0.5]",
    "finetune-low-rate[factor=0.1]", "wise[alpha=0.5]", "running-mean", "fisher-merge", "blip-strict",
]  # fmt: skip
PATHS = ["si[strength=1]", "rwalk[strength=1,interval=1]"]


@pytest.mark.parametrize(
    ("baseline", "number"),
    [*((name, 2) for name in KILLED), *((name, n) for name in PATHS for n in (1, 2)), ("ties", 3), ("magmax", 3)],
)
def test_a_stage_killed_after_an_epoch_resumes_to_identical_bits(tiny_run, tmp_path, baseline, number):
    job = tiny_run.jobs(baseline)[number - 1]
    trainee = trainee_of(job, tiny_run.store)
    interrupted, _, _ = assemble(trainee)
    interrupted.train_epoch()
    folder = trainee.folder.__class__(tmp_path / "job")
    folder.path.mkdir()
    save_resume(folder.path / "resume.pth", interrupted.state())
    resumed = trainee.__class__(job, trainee.spec, folder, trainee.parent, trainee.prepared, trainee.device)
    torch.rand(7)  # a fresh process has drawn other numbers by then
    trained = train(resumed, _Silent())
    assert trained["losses"] == tiny_run.result(job)["losses"]
    again = torch.load(folder.path / "model/fold_0/checkpoint_final.pth", weights_only=True)["network_weights"]
    for name, value in tiny_run.model(job)["network_weights"].items():
        assert torch.equal(value, again[name]), name
    memories = [where / "memory.pth" for where in (trainee.folder.path, folder.path)]
    assert memories[0].exists() == memories[1].exists()
    if memories[0].exists():
        assert _alike(*(torch.load(memory, weights_only=True) for memory in memories))
    assert trained["evidence"] == tiny_run.result(job)["evidence"]


def _alike(a, b):
    """Equal to the bit, at whatever depth the tensors are."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_alike(value, b[key]) for key, value in a.items())
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_alike, a, b))
    return a == b


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
