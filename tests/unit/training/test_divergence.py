"""A strength that makes training diverge stops it with the epoch, the penalty and the stability bound."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import pytest
import torch

import clbench.methods
from clbench.job.assembly import assemble
from clbench.job.stage import trainee_of
from clbench.methods.finetune import Finetune
from clbench.training.stage import Diverged

METHODS = Path(clbench.methods.__file__).parent
EWC = {"strength": 1.0, "update": "gradient"}


def second_stage(run, method="ewc", **settings):
    """The stage after one task, by a shipped method with these settings, and its method."""
    trainee = trainee_of(run.jobs("finetune")[1], run.store)
    file = METHODS / f"{method}.py"
    job = trainee.job.model_copy(update={"method_file": str(file)})
    settings = (EWC if method == "ewc" else {}) | settings
    spec = trainee.spec.model_copy(update={"method": method, "settings": settings})
    stage, made, _ = assemble(dataclasses.replace(trainee, job=job, spec=spec))
    return stage, made


def train(stage):
    while stage.epoch < stage.schedule.epochs:
        stage.train_epoch()


NUMBER = r"(\d\.?\d*e\+\d+)"


@pytest.mark.parametrize("strength", [1e6, 1e9, 1e12])
def test_a_penalty_that_runs_away_is_stopped_while_clipping_still_keeps_all_finite(tiny_run, strength):
    stage, method = second_stage(tiny_run, strength=strength)
    with pytest.raises(Diverged) as stopped:
        train(stage)
    message = str(stopped.value)
    assert math.isfinite(stage.losses[-1])
    assert message.startswith("training diverged in epoch 1 of 2 (loss ")
    penalty, bound = map(float, re.search(rf"penalty {NUMBER}; .* it is {NUMBER} times", message).groups())
    assert penalty == pytest.approx(method.penalty(), rel=0.01)
    assert penalty > 10
    assert bound == pytest.approx(method.stability(), rel=0.01)


def test_a_penalty_too_large_for_float32_is_stopped_with_the_same_words(tiny_run):
    stage, _ = second_stage(tiny_run, strength=1e40)
    with pytest.raises(Diverged, match=r"epoch 1 of 2 \(loss nan.*penalty nan; .* it is 1\.\d+e\+40 times"):
        train(stage)


def test_the_strength_that_the_message_calls_stable_trains_to_the_end(tiny_run):
    stage, _ = second_stage(tiny_run, strength=1e9)
    with pytest.raises(Diverged) as stopped:
        train(stage)
    stable = float(re.search(r"strength (\S+) or update: proximal", str(stopped.value)).group(1))
    stage, method = second_stage(tiny_run, strength=0.99 * stable)
    train(stage)
    assert 0.9 < method.stability() < 1
    assert method.penalty() < 1


def test_the_proximal_update_that_the_message_recommends_trains_to_the_end_at_the_strength_that_diverged(tiny_run):
    stage, method = second_stage(tiny_run, strength=1e12, update="proximal")
    train(stage)
    assert method.penalty() < 1
    assert all(map(math.isfinite, stage.losses))


class Overflowing(Finetune):
    """Leaves the finite numbers in the last step of an epoch, after its loss was taken."""

    def after_step(self, iteration, lr):
        if iteration == 1:
            with torch.no_grad():
                self.weight.fill_(math.inf)


def test_weights_that_overflow_in_an_epochs_last_step_are_found_before_they_are_evaluated(tiny_run):
    stage, _ = second_stage(tiny_run)
    stage.method = Overflowing()
    stage.method.weight = stage.parameters[0]
    with pytest.raises(Diverged, match="epoch 1 of 2"):
        stage.train_epoch()
    assert math.isfinite(stage.losses[-1])


@pytest.mark.parametrize("strength", [1e6, 1e12, 1e39])
def test_a_distillation_that_runs_away_is_stopped_with_its_size(tiny_run, strength):
    stage, _ = second_stage(tiny_run, "lwf", strength=strength)
    with pytest.raises(Diverged, match=r"epoch 1 of 2 .*strength; distillation (nan|\d\S*);"):
        train(stage)


@pytest.mark.parametrize("name", ["lwf", "ewc", "finetune"])
def test_a_training_that_learns_is_not_stopped(tiny_run, name):
    stage, method = second_stage(tiny_run, name)
    train(stage)
    assert not method.diverging(stage.losses[0])
