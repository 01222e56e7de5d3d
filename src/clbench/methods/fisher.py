"""The diagonal Fisher information of a segmentation network, estimated with labels drawn from the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from clbench.methods.base import Context
from clbench.network.batch import Key

Importance = dict[str, torch.Tensor]
PATCHES_PER_BATCH = 4


@dataclass(frozen=True)
class FisherEstimate:
    """An estimate and what it was made of.

    Attributes:
        diagonal: per parameter, the mean over patches of the image-level Fisher divided by the voxels in a
            patch: ``F_sum / V``.
        voxels: V, of one patch.
        patches: how many patches were looked at.
        draws: label maps drawn per patch.
    """

    diagonal: Importance
    voxels: int
    patches: int
    draws: int


def squared_gradients(logits: torch.Tensor, parameters: Mapping[str, nn.Parameter], draws: int) -> Importance:
    """Sum over draws of the squared gradient of the log-likelihood of labels drawn from the model.

    Voxels are independent given the image, so with one label drawn per voxel the square of the summed
    gradient is an unbiased estimate of the summed squares, over voxels and over the patches of a batch
    alike: cross terms vanish in expectation (and would not with true labels).

    Args:
        logits: ``(B, K, ...)``, attached to the parameters' graph.
        parameters: what to differentiate by; unused ones get 0.
        draws: label maps to draw.
    """
    log_p = F.log_softmax(logits.float(), dim=1).movedim(1, -1).flatten(0, -2)
    total = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for draw in range(draws):
        labels = torch.multinomial(log_p.detach().exp(), 1)
        loss = -log_p.gather(1, labels).sum()
        keep = draw < draws - 1
        gradients = torch.autograd.grad(loss, list(parameters.values()), retain_graph=keep, allow_unused=True)
        for name, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                total[name].addcmul_(gradient, gradient)
    return total


def estimate_fisher(context: Context, draws: int) -> FisherEstimate:
    """The Fisher of the previous task, by its own head, on its own training cases.

    Cross-entropy of the full-resolution output alone: Dice has no likelihood. Patches as nnU-Net's loader
    cuts them, without augmentation.

    Args:
        context: the stage that begins; its trunk still is the previous stage's.
        draws: label maps per patch.
    """
    total = {name: torch.zeros_like(p) for name, p in context.trunk.items()}
    batches = _batches(context.previous_cases)
    voxels = 0
    for keys in batches:
        features = context.network.features(context.patches(keys).data)
        logits = context.network.logits(context.previous_task, features[:1])[0]
        voxels = logits[0, 0].numel()
        for name, value in squared_gradients(logits, context.trunk, draws).items():
            total[name] += value
    seen = len(batches) * PATCHES_PER_BATCH
    diagonal = {name: value / (seen * draws * voxels) for name, value in total.items()}
    return FisherEstimate(diagonal, voxels, seen, draws)


def _batches(keys: Sequence[Key]) -> list[tuple[Key, ...]]:
    """Batches of one size; the last is filled up from the beginning."""
    count = -(-len(keys) // PATCHES_PER_BATCH)
    filled = [keys[i % len(keys)] for i in range(count * PATCHES_PER_BATCH)]
    return [tuple(filled[i : i + PATCHES_PER_BATCH]) for i in range(0, len(filled), PATCHES_PER_BATCH)]


def trace_normalized(importance: Importance) -> Importance:
    """Scale to mean 1, so that a strength means the same whatever the task, patch or loss scale."""
    total = sum(float(f.sum()) for f in importance.values())
    count = sum(f.numel() for f in importance.values())
    return {name: f * (count / total) if total > 0 else f for name, f in importance.items()}
