"""What each stage of a trunk's encoder and decoder makes of sampled voxels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from clbench.drift.sample import sampled
from clbench.job.evaluate import load_network
from clbench.job.trainee import Trainee
from clbench.network.heads import MultiHeadNetwork
from clbench.nnunet.loader import CaseLibrary

Features = dict[str, np.ndarray]
"""By layer, in the order in which an image passes them, ``(n, F)`` in float32."""


def stage_features(trainee: Trainee) -> dict[str, Features]:
    """What the network at the end of a stage makes of every task so far.

    Raises:
        CorruptArtifact: its checkpoint or a case is missing or damaged.
    """
    network = load_network(trainee, "checkpoint_final")
    return {task: _task_features(trainee, network, task) for task in trainee.spec.so_far}


@torch.inference_mode()
def _task_features(trainee: Trainee, network: MultiHeadNetwork, task: str) -> Features:
    """With the weights that the task is evaluated with, its own in the trunk included."""
    prepared = trainee.prepared.tasks[task]
    library = CaseLibrary({task: prepared.preprocessed})
    own = network.layout == "joined" or trainee.job.evaluate_with == "own"
    patch = trainee.parts(task).configuration.patch_size
    found: dict[str, list[torch.Tensor]] = {}
    with _tapped(network) as outputs:
        for tile in sampled(library, task, prepared.val, patch):
            image = tile.image.to(trainee.device).contiguous(memory_format=trainee.memory_format)
            network.features(image, task if own else trainee.spec.tasks[0])
            for depth, (layer, output) in enumerate(outputs.items()):
                found.setdefault(layer, []).append(tile.voxels(output, depth).float().cpu())
    return {layer: torch.cat(parts).numpy() for layer, parts in found.items()}


@contextmanager
def _tapped(network: MultiHeadNetwork) -> Iterator[dict[str, torch.Tensor]]:
    """The outputs of all layers, after each pass through the trunk."""
    outputs: dict[str, torch.Tensor] = {}

    def tap(layer: str) -> Any:
        return lambda module, inputs, output: outputs.__setitem__(layer, output)

    handles = [module.register_forward_hook(tap(layer)) for layer, module in _layers(network.trunk).items()]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _layers(trunk: Any) -> dict[str, nn.Module]:
    halves = {"encoder": trunk.encoder, "decoder": trunk.decoder}
    return {f"{half}.{place}": stage for half, part in halves.items() for place, stage in enumerate(part.stages)}
