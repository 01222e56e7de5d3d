"""Time of a training step under each method, beside fine-tuning's.

``make bench-methods`` runs all of it in one session, on one thread, and ``docs/cost_table.py`` makes the table of
docs/performance.md of what it wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

from clbench.definitions.catalogue import Catalogue
from clbench.job.assembly import assemble
from clbench.job.method import load_method
from clbench.job.prepare import prepare
from clbench.job.progress import Progress
from clbench.job.stage import trainee_of
from clbench.job.train import train
from clbench.job.trainee import Trainee
from clbench.methods.base import Context, Method
from clbench.network.heads import MultiHeadNetwork
from clbench.run import Places
from clbench.store import Store
from clbench.training.stage import Stage

CATALOGUE = Catalogue.open()
SEQUENCE = """
name: {name}
version: 1
title: One epoch of two stages
extends: mini-organs
scenario: {scenario}
heads: {{}}
sequence: [mini-liver, mini-spleen]
budget: {{epochs: 1, epoch: cases, batch: 2}}
protocols:
  continual: {{baselines: [{baselines}]}}
"""


def defined_for(scenario: str) -> list[str]:
    """Shipped baselines whose method is defined for a scenario."""
    from clbench.definitions.reading import read_baseline

    cards = {name: read_baseline(CATALOGUE.file("baseline", name), CATALOGUE) for name in CATALOGUE.names("baseline")}
    return [name for name, card in cards.items() if scenario in card.signature.scenarios]


TASK = defined_for("task-incremental")
CLASS = ["finetune", *(name for name in defined_for("class-incremental") if name not in TASK)]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As a job has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Sequence:
    """The first stages of every baseline, trained, so that the second can begin."""

    def __init__(self, root: Path, scenario: str, baselines: list[str]) -> None:
        (root / "benchmark").mkdir(parents=True)
        text = SEQUENCE.format(name=scenario, scenario=scenario, baselines=", ".join(baselines))
        (root / "benchmark" / f"{scenario}.yaml").write_text(text)
        self.plan = Places((root,), root / "store").plan(scenario)
        self.store = Store(root / "store")
        prepare(self.plan.jobs[0], self.store.job(self.plan.jobs[0].id), threads=2)
        for job in {use.job for use in self.plan.uses if use.stage == 1}:
            trainee = trainee_of(self.plan.job(job), self.store)
            trainee.folder.path.mkdir(parents=True)
            train(trainee, Progress(trainee.folder, 1))

    def second_stage(self, baseline: str) -> Trainee:
        """Before its first step."""
        (job,) = (use.job for use in self.plan.uses if (use.baseline, use.stage) == (baseline, 2))
        return trainee_of(self.plan.job(job), self.store)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Sequence:
    """A head per task."""
    return Sequence(tmp_path_factory.mktemp("tasks"), "task-incremental", TASK)


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Sequence:
    """One softmax that grows."""
    return Sequence(tmp_path_factory.mktemp("classes"), "class-incremental", CLASS)


def endless(trainee: Trainee) -> tuple[Stage, Method]:
    """A stage that has cases for as many steps as are timed."""
    stage, method, _ = assemble(trainee)
    stage.schedule = replace(stage.schedule, epochs=10_000)
    return stage, method


def time_step(benchmark, trainee: Trainee) -> None:
    """Time a step, augmentation included; the last iteration's number is never reached, so no evidence is taken."""
    stage, _ = endless(trainee)
    benchmark.pedantic(lambda: stage._iteration(0), rounds=60, warmup_rounds=5)


@pytest.mark.benchmark(group="embedded network, a head per task")
@pytest.mark.parametrize("baseline", TASK)
def test_step_of_the_embedded_network(tasks: Sequence, benchmark, baseline: str) -> None:
    time_step(benchmark, tasks.second_stage(baseline))


@pytest.mark.benchmark(group="embedded network, one growing softmax")
@pytest.mark.parametrize("baseline", CLASS)
def test_step_of_the_embedded_network_with_a_growing_softmax(classes: Sequence, benchmark, baseline: str) -> None:
    time_step(benchmark, classes.second_stage(baseline))


@pytest.mark.benchmark(group="Fisher of a stage beside its training")
@pytest.mark.parametrize("part", ["training", "fisher"])
def test_fisher_of_a_stage_beside_its_training(tasks: Sequence, benchmark, part: str) -> None:
    """One epoch of mini-organs' 25, and what EWC computes of it when the next stage begins."""
    trainee = tasks.second_stage("ewc")
    stage, method = endless(trainee)
    context = method.context
    if part == "fisher":
        benchmark.pedantic(lambda: type(method)().begin_stage(context), rounds=10, warmup_rounds=1)
    else:
        benchmark.pedantic(lambda: [stage._iteration(0) for _ in range(6)], rounds=10, warmup_rounds=1)


def large_network() -> MultiHeadNetwork:
    """nnU-Net's 3d_fullres network of 31 million parameters."""
    features = (32, 64, 128, 256, 320, 320)
    network = PlainConvUNet(
        1, 6, features, nn.Conv3d, 3, (1, 2, 2, 2, 2, 2), 2, 2, 2, conv_bias=True, norm_op=nn.InstanceNorm3d,
        norm_op_kwargs={"affine": True}, nonlin=nn.LeakyReLU, deep_supervision=True,
    )  # fmt: skip
    made = MultiHeadNetwork(network)
    made.add_head("b", made.first_head, frozen=False)
    return made


LARGE = ["finetune", "l2", "ewc", "ewc-each", "si", "mas", "rwalk", "blip", "ema"]


def begun(baseline: str, network: MultiHeadNetwork, monkeypatch: pytest.MonkeyPatch) -> Method:
    """A method at the beginning of a stage, with importance made up instead of computed by convolutions."""
    card = CATALOGUE.baseline(baseline)
    method = load_method(CATALOGUE.method_file(card.method), dict(card.settings))
    trunk = network.trunk_parameters()
    importance = {name: torch.rand_like(p) for name, p in trunk.items()}
    context = Context(
        network=network, trunk=trunk, task="b", earlier=("a",), cases={"a": (), "b": ()}, patches=None,
        batches=None, task_loss=None, memory=None, iterations=100, epoch_iterations=100, batch=2, lr=0.01,
        momentum=0.99, rng=np.random.default_rng(0),
    )  # fmt: skip
    module = type(method).begin_stage.__globals__
    estimate = SimpleNamespace(diagonal=importance, voxels=1, patches=1)
    for name, made_up in (
        ("estimate_fisher", lambda *_: estimate), ("task_logits", lambda *_: [(torch.zeros(()), None)]),
        ("sensitivity", lambda *_: importance),
    ):  # fmt: skip
        if name in module:
            monkeypatch.setitem(module, name, made_up)
    method.begin_stage(context)
    if baseline in ("si", "rwalk"):
        method._kept = importance
        method.protect(context, importance)
    return method


@pytest.mark.benchmark(group="31 million parameters, update alone")
@pytest.mark.parametrize("baseline", LARGE)
def test_update_of_31_million_parameters(benchmark, baseline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows the backward pass: the method's hooks, clipping, SGD; gradients are made up."""
    torch.manual_seed(0)
    network = large_network()
    method = begun(baseline, network, monkeypatch)
    parameters = [p for p in network.parameters() if p.requires_grad]
    gradients = [1e-3 * torch.randn_like(p) for p in parameters]
    optimizer = torch.optim.SGD(parameters, 0.01, 0.99, weight_decay=3e-5, nesterov=True)
    method.begin_training(optimizer)

    def update() -> None:
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = g.clone()
        method.after_backward(0, 0.01)
        nn.utils.clip_grad_norm_(parameters, 12.0)
        optimizer.step()
        method.after_step(0, 0.01)

    benchmark.pedantic(update, rounds=20, warmup_rounds=3)


@pytest.mark.benchmark(group="31 million parameters, forward and backward")
def test_forward_and_backward_of_31_million_parameters(benchmark) -> None:
    """A patch of 64 voxels a side, an eighth of nnU-Net's usual 128, batch 2: what an update is small beside."""
    network = large_network()
    data = torch.randn(2, 1, 64, 64, 64)

    def step() -> None:
        network(data, ("b", "b")).logits["b"][0].square().mean().backward()

    benchmark.pedantic(step, rounds=2, warmup_rounds=1)
