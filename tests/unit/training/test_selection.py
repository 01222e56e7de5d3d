"""Which model a stage ends with, and which cases may choose it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from clbench.job.assembly import assemble
from clbench.job.monitor import Monitor
from clbench.job.progress import Progress
from clbench.job.selection import Selection
from clbench.job.stage import trainee_of
from clbench.job.train import plain_state, save_resume, train
from clbench.job.trainee import Trainee, load_model
from clbench.network.randomness import seed_all
from clbench.nnunet.loader import CaseLibrary
from clbench.store import JobFolder

EPOCHS = 3


def choosing(run, folder: Path, checkpoint: str, job: int = 0, baseline: str = "finetune") -> Trainee:
    """A stage of three epochs in a folder of its own, which keeps the model of each."""
    trainee = trainee_of(run.jobs(baseline, "joint" if baseline == "joint" else "continual")[job], run.store)
    spec = trainee.spec.model_copy(update={"checkpoint": checkpoint, "epochs": EPOCHS, "snapshots": (1, 2)})
    folder.mkdir(parents=True)
    return replace(trainee, spec=spec, folder=JobFolder(folder))


def trained(trainee: Trainee, monkeypatch: pytest.MonkeyPatch, dice: list[float]) -> None:
    """Train the stage; its epochs measure the given pseudo Dice."""
    monkeypatch.setattr(Selection, "_pseudo_dice", lambda self: dice[self.stage.epoch - 1])
    train(trainee, Progress(trainee.folder, EPOCHS))


def weights(trainee: Trainee, name: str) -> dict[str, torch.Tensor]:
    return load_model(trainee.folder, name)["network_weights"]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_best_is_chosen_by_training_cases_that_are_set_aside_and_never_by_reported_ones(tiny_run, tmp_path):
    trainee = choosing(tiny_run, tmp_path / "a", "best")
    task = trainee.prepared.tasks["mini-liver"]
    stage, _, _ = assemble(trainee)
    learnt, choose = set(trainee.learnt_cases("mini-liver")), set(Selection(trainee, stage).cases["mini-liver"])
    assert (learnt | choose, learnt & choose) == (set(task.train), set())
    assert not choose & set(task.val)
    assert {case for _, case in stage.deck.draw(20)} == learnt


def test_best_as_original_is_chosen_by_the_reported_cases(tiny_run, tmp_path):
    trainee = choosing(tiny_run, tmp_path / "a", "best-as-original")
    task = trainee.prepared.tasks["mini-liver"]
    assert trainee.selection_cases("mini-liver") == task.val
    assert trainee.learnt_cases("mini-liver") == task.train


@pytest.mark.parametrize(("dice", "kept"), [([0.5, 0.9, 0.1], 2), ([0.5, 0.4, 0.3], 1), ([0.1, 0.2, 0.3], 3)])
def test_the_stage_ends_with_the_epoch_whose_moving_average_is_the_highest(
    tiny_run, tmp_path, monkeypatch, dice, kept
):
    """Averages of the first: .5, .54, .496; the second's and the third's fall and rise."""
    trainee = choosing(tiny_run, tmp_path / "a", "best")
    trained(trainee, monkeypatch, dice)
    names = {1: "checkpoint_epoch0001", 2: "checkpoint_epoch0002"}
    end = weights(trainee, "checkpoint_final")
    equal = {epoch: same(weights(trainee, name), end) for epoch, name in names.items()}
    assert equal == {epoch: epoch == kept for epoch in names}


def test_the_method_ends_the_stage_with_what_it_knew_at_the_chosen_epoch(tiny_run, tmp_path, monkeypatch):
    """An average over the whole stage would put the last epochs back in the chosen one's place."""
    trainee = choosing(tiny_run, tmp_path / "a", "best", job=1, baseline="head-only")
    stage, method, _ = assemble(trainee)
    selection = Selection(trainee, stage)
    monkeypatch.setattr(Selection, "_pseudo_dice", lambda self: [0.5, 0.9, 0.1][self.stage.epoch - 1])
    known: list[int] = []
    monkeypatch.setattr(type(method), "state", lambda self: {"epoch": stage.epoch})
    monkeypatch.setattr(type(method), "load_state", lambda self, state: known.append(state["epoch"]))
    for _ in range(EPOCHS):
        stage.train_epoch()
        selection.look()
    selection.choose()
    assert known == [2]


def test_looking_changes_nothing_that_is_trained(tiny_run, tmp_path):
    final, looked = (choosing(tiny_run, tmp_path / name, name) for name in ("final", "best-as-original"))
    for trainee in (final, looked):
        train(trainee, Progress(trainee.folder, EPOCHS))
    for name in ("checkpoint_epoch0001", "checkpoint_epoch0002"):
        assert same(weights(final, name), weights(looked, name))


def test_a_killed_stage_ends_with_the_same_model_after_it_is_resumed(tiny_run, tmp_path):
    whole, killed = (choosing(tiny_run, tmp_path / name, "best") for name in ("whole", "killed"))
    train(whole, Progress(whole.folder, EPOCHS))
    stage, _, _ = assemble(killed)
    selection = Selection(killed, stage)
    stage.train_epoch()
    selection.look()
    save_resume(killed.folder.path / "resume.pth", plain_state(killed, stage, selection))
    torch.rand(3)
    resumed = replace(killed, spec=killed.spec.model_copy(update={"snapshots": (2,)}))  # the first was not written
    train(resumed, Progress(killed.folder, EPOCHS))
    assert same(weights(whole, "checkpoint_final"), weights(killed, "checkpoint_final"))


@pytest.mark.parametrize("looks_of", [Selection, Monitor])
def test_a_case_is_read_once_however_often_it_is_looked_at(tiny_run, tmp_path, monkeypatch, looks_of):
    trainee = choosing(tiny_run, tmp_path / "a", "best-as-original")
    trainee = replace(trainee, spec=trainee.spec.model_copy(update={"monitor": 1}))
    stage, _, _ = assemble(trainee)
    looking, read, really = looks_of(trainee, stage), [], CaseLibrary._read
    monkeypatch.setattr(CaseLibrary, "_read", lambda self, key: read.append(key) or really(self, key))
    for stage.epoch in (1, 2):
        looking.look()
    assert sorted(read) == [("mini-liver", case) for case in sorted(trainee.prepared.tasks["mini-liver"].val)]


@pytest.mark.parametrize("baseline", ["finetune", "joint"])
def test_the_pseudo_dice_is_nnunets(tiny_run, tmp_path, baseline):
    """Counted by nnU-Net's own function, on the same patches, over the heads of all tasks that are trained."""
    from nnunetv2.training.loss.dice import get_tp_fp_fn_tn

    trainee = choosing(tiny_run, tmp_path / "a", "best", job=0, baseline=baseline)
    stage, _, _ = assemble(trainee)
    selection = Selection(trainee, stage)
    stage.train_epoch()
    seed_all([1])
    ours = selection._pseudo_dice()
    seed_all([1])
    dice = []
    for task in trainee.spec.tasks:
        sums = torch.zeros(3)
        for batch in selection._batches(task):
            with torch.inference_mode():
                logits = stage.network.logits(task, stage.network.features(batch.data, task)[:1])[0]
            onehot = torch.zeros_like(logits).scatter_(1, logits.argmax(1, keepdim=True), 1)
            sums += torch.stack([t[1] for t in get_tp_fp_fn_tn(onehot, batch.target[0], axes=[0, 2, 3, 4])[:3]])
        tp, fp, fn = sums.tolist()
        dice += [2 * tp / (2 * tp + fp + fn)] if tp + fp + fn else []
    assert 0 < ours < 1
    assert ours == pytest.approx(sum(dice) / len(dice), rel=1e-6)
