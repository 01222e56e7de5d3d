"""Network, data and method of a stage, put together and ready for the first step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from clbench.data.splits import training_cases
from clbench.job.method import load_method, naming
from clbench.job.start import start_weights
from clbench.job.trainee import AUGMENT, BEGIN, DECK, INITIALISE, METHOD, TRAIN, Trainee, load_model, read_memory
from clbench.methods.base import Context, Method
from clbench.network.batch import Batch, Key
from clbench.network.heads import MultiHeadNetwork, Output, Weights, overwrite
from clbench.network.losses import stage_loss
from clbench.network.own import OwnWeights
from clbench.network.randomness import seed_all
from clbench.nnunet.fitting import check_fit
from clbench.nnunet.loader import CaseLibrary, PatchLoader, plain_loader, training_loader
from clbench.training.deck import Deck
from clbench.training.stage import Schedule, Stage
from clbench.training.supply import Load, Supply, Workers


def assemble(trainee: Trainee) -> tuple[Stage, Method, CaseLibrary]:
    """Network, data and method of a stage, told of the previous one and ready for the first step."""
    spec, parts = trainee.spec, trainee.parts(trainee.spec.tasks[0])
    network = _network(trainee)
    schedule = Schedule(
        spec.epochs, spec.iterations, spec.batch, spec.lr, spec.momentum, spec.weight_decay, spec.warmup,
        spec.head_first, spec.freeze,
    )  # fmt: skip
    tasks = trainee.prepared.tasks
    cases = {task: trainee.learnt_cases(task) for task in spec.so_far}
    own = {task: training_cases(cases[task], spec.fraction, spec.seed) for task in spec.tasks}
    library = CaseLibrary({task: tasks[task].preprocessed for task in spec.so_far}, trainee.workers)
    method = load_method(Path(trainee.job.method_file), spec.settings)
    training = training_loader(library, parts, spec.mirror)
    loss = parts.loss(network.ignored)
    merge = method.merges_background or len(spec.tasks) > 1
    start = time.perf_counter()
    seed_all(trainee.stream(BEGIN))
    with naming(spec.method, "begin_stage"):
        method.begin_stage(_context(trainee, network, library, {**cases, **own}, training, loss, merge))
    begun = time.perf_counter() - start
    if parts.compiles:
        network.compile_trunk()
    seed_all(trainee.stream(TRAIN))
    deck = Deck(own, trainee.stream(DECK))
    stage = Stage(
        network, loss, schedule, method, deck, _supply(trainee, training), trainee.device, merge
    )  # fmt: skip
    stage.seconds = begun
    return stage, method, library


def _batches(trainee: Trainee, loader: PatchLoader) -> Callable[[Sequence[Key]], Batch]:
    """Loads patches where the stage trains, their labels numbered as its heads do."""
    load = _on_cpu(trainee, loader)
    return lambda keys: trainee.place(load(tuple(keys)))


def _on_cpu(trainee: Trainee, loader: PatchLoader) -> Load:
    shift = trainee.shift
    return lambda keys: loader.load(keys).in_classes(shift)


def _supply(trainee: Trainee, loader: PatchLoader) -> Supply:
    """Who makes the training's batches: workers where there are some."""
    if not trainee.workers:
        return Supply(_batches(trainee, loader))
    print(f"{trainee.workers} workers load ahead of the training", flush=True)
    pin = trainee.device.type == "cuda"
    return Workers(_on_cpu(trainee, loader), trainee.place, trainee.workers, trainee.stream(AUGMENT), pin)


def _network(trainee: Trainee) -> MultiHeadNetwork:
    """A fresh network with a head per new task; of a later stage, the previous trunk and heads too."""
    spec = trainee.spec
    seed_all(trainee.stream(INITIALISE))
    new = [task for task in spec.tasks if task not in spec.earlier]
    network = MultiHeadNetwork(trainee.parts(spec.tasks[0]).network(), spec.heads)
    fresh = {new[0]: network.first_head}
    fresh |= {task: MultiHeadNetwork(trainee.parts(task).network()).first_head for task in new[1:]}
    previous: dict[str, Any] = {}
    if trainee.parent is not None:
        loaded = load_model(trainee.parent, "checkpoint_final")
        check_fit(network.trunk, loaded["network_weights"], str(trainee.parent.path / "model"))
        previous = take_over(network, loaded, trainable=spec.tasks if spec.heads == "own" else None)
    elif trainee.job.start:
        network.load_trunk(start_weights(trainee.job, network.trunk))
    for task, weights in fresh.items():
        if spec.new_head == "copy-last" and previous:
            weights = previous[spec.earlier[-1]]
        if spec.heads == "own" or not network.heads:
            network.add_head(task, weights, frozen=False)
        elif spec.heads == "joined":
            network.add_head(task, {key: value[1:] for key, value in weights.items()}, frozen=False)
    return network.place(trainee.device, trainee.memory_format)


def take_over(
    network: MultiHeadNetwork, loaded: dict[str, Any], trainable: Sequence[str] | None
) -> dict[str, Weights]:
    """Give a network a checkpoint's trunk and everything that tasks have to themselves; returns the heads.

    Args:
        network: with the trunk's shapes.
        loaded: the checkpoint.
        trainable: the tasks whose heads go on training; None means all.
    """
    kept = loaded["clbench"]
    network.load_trunk(loaded["network_weights"])
    overwrite(network.trunk, kept["shared"])
    for task, weights in kept["heads"].items():
        network.add_head(task, weights, frozen=trainable is not None and task not in trainable)
    for task, content in kept["own"].items():
        network.give(task, OwnWeights(**content).requires_grad_(False))
    heads: dict[str, Weights] = kept["heads"]
    return heads


def _context(
    trainee: Trainee,
    network: MultiHeadNetwork,
    library: CaseLibrary,
    cases: dict[str, tuple[str, ...]],
    training: PatchLoader,
    loss: nn.Module,
    merge: bool,
) -> Context:
    """What the method sees of the stage; its random numbers are its own."""
    spec = trainee.spec

    def task_loss(batch: Batch, output: Output) -> torch.Tensor:
        return stage_loss(loss, network, output, batch, merge)

    return Context(
        network=network, trunk=network.shared_parameters(spec.earlier), task=spec.tasks[0], earlier=spec.earlier,
        cases=cases, patches=_batches(trainee, plain_loader(library, trainee.parts(spec.tasks[0]))),
        batches=_batches(trainee, training), task_loss=task_loss, memory=read_memory(trainee),
        iterations=spec.epochs * spec.iterations, epoch_iterations=spec.iterations, batch=spec.batch, lr=spec.lr,
        momentum=spec.momentum, rng=np.random.default_rng(trainee.stream(METHOD)),
    )  # fmt: skip
