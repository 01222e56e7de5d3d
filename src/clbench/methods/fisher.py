"""The diagonal Fisher information of a segmentation network, by four estimators.

Names after van de Ven, "On the computation of the Fisher information in continual learning" (arXiv
2502.11756). All are of the cross-entropy of the full-resolution output alone, since Dice has no likelihood, and
are given per voxel, ``F_sum / V``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from clbench.methods.base import Context
from clbench.network.batch import Key

Importance = dict[str, torch.Tensor]
Parameters = Mapping[str, nn.Parameter]
Kind = Literal["sample", "exact", "empirical", "batched"]
PATCHES_PER_BATCH = 4
VOXELS_ENUMERATED = 64


@dataclass(frozen=True)
class FisherEstimate:
    """An estimate and what it was made of.

    Attributes:
        diagonal: per parameter, the mean over patches of the image-level Fisher divided by the voxels in a
            patch: ``F_sum / V``.
        voxels: V, of one patch.
        patches: how many patches were looked at.
    """

    diagonal: Importance
    voxels: int
    patches: int


def squared_gradients(logits: torch.Tensor, parameters: Parameters, draws: int) -> Importance:
    """Mean over draws of the squared gradient of the log-likelihood of labels drawn from the model.

    Voxels are independent given the image, so with one label drawn per voxel the square of the summed
    gradient is an unbiased estimate of the summed squares, over voxels and over the patches of a batch
    alike: cross terms vanish in expectation (and would not with true labels).

    Args:
        logits: ``(B, K, ...)``, attached to the parameters' graph.
        parameters: what to differentiate by; unused ones get 0.
        draws: label maps to draw.
    """
    log_p = _by_voxel(logits)
    drawn = (torch.multinomial(log_p.detach().exp(), 1) for _ in range(draws))
    return _sum_of_squares((log_p.gather(1, labels).sum() for labels in drawn), parameters, 1 / draws)


def enumerated_gradients(logits: torch.Tensor, parameters: Parameters, voxels: int) -> Importance:
    """The exact Fisher of some voxels, ``sum_c p_c (d log p_c)^2`` each, scaled up to all of them.

    Exact in the labels; unbiased in the voxels, which are drawn evenly. A backward pass per voxel and class:
    a yardstick for small networks.

    Args:
        logits: ``(B, K, ...)``.
        parameters: what to differentiate by.
        voxels: how many to look at; all of them if there are no more.
    """
    log_p = _by_voxel(logits)
    chosen = torch.randperm(len(log_p))[:voxels]
    weighted = (
        value * (value.detach() / 2).exp() for voxel in log_p[chosen.to(log_p.device)] for value in voxel
    )  # (sqrt(p) d log p)^2 = p (d log p)^2
    return _sum_of_squares(weighted, parameters, len(log_p) / len(chosen))


def label_gradients(logits: torch.Tensor, target: torch.Tensor, parameters: Parameters) -> Importance:
    """The squared gradient of the log-likelihood of given labels; cross terms between voxels do not vanish.

    Args:
        logits: ``(B, K, ...)``.
        target: labels ``(B, 1, ...)``.
        parameters: what to differentiate by.
    """
    log_p = _by_voxel(logits)
    return _sum_of_squares([log_p.gather(1, target.reshape(-1, 1).long()).sum()], parameters, 1.0)


def estimate_fisher(context: Context, draws: int, kind: Kind = "sample", task: str | None = None) -> FisherEstimate:
    """The Fisher of one task, by its own head, on its own training cases.

    Patches as nnU-Net's loader cuts them, without augmentation, one of each case; the last batch is filled up with
    further patches of the first cases.

    Args:
        context: the stage that begins; its trunk still is the previous stage's.
        draws: label maps per patch, of ``sample``.
        kind: ``sample`` draws labels from the model (unbiased); ``exact`` enumerates the labels of some
            voxels; ``empirical`` takes the dataset's labels, patch by patch; ``batched`` squares the gradient
            of a batch's mean, with the dataset's labels, as many public codes do.
        task: the previous stage's if None.
    """
    total = {name: torch.zeros_like(p) for name, p in context.trunk.items()}
    voxels = patches = 0
    for logits, target in task_logits(
        context, task or context.previous_task, 1 if kind in ("empirical", "exact") else PATCHES_PER_BATCH
    ):
        voxels, patches = logits[0, 0].numel(), patches + len(logits)
        for name, value in _estimators(draws)[kind](logits, target, context.trunk).items():
            total[name] += value
    return FisherEstimate({name: value / (patches * voxels) for name, value in total.items()}, voxels, patches)


def _estimators(draws: int) -> dict[Kind, Callable[[torch.Tensor, torch.Tensor, Parameters], Importance]]:
    """What one batch adds to the sum over its patches."""
    return {
        "sample": lambda logits, _, parameters: squared_gradients(logits, parameters, draws),
        "exact": lambda logits, _, parameters: enumerated_gradients(logits, parameters, VOXELS_ENUMERATED),
        "empirical": label_gradients,
        "batched": lambda logits, target, parameters: {
            name: value / len(logits) for name, value in label_gradients(logits, target, parameters).items()
        },
    }


def _by_voxel(logits: torch.Tensor) -> torch.Tensor:
    """Log-probabilities ``(voxels, K)``."""
    return F.log_softmax(logits.float(), dim=1).movedim(1, -1).flatten(0, -2)


def _sum_of_squares(
    likelihoods: Iterator[torch.Tensor] | Sequence[torch.Tensor], parameters: Parameters, scale: float
) -> Importance:
    total = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for likelihood in likelihoods:
        gradients = torch.autograd.grad(likelihood, list(parameters.values()), retain_graph=True, allow_unused=True)
        for name, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                total[name].addcmul_(gradient, gradient, value=scale)
    return total


def task_logits(context: Context, task: str, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """A task's head on a patch of each of its own training cases, with the labels.

    Patches are loaded four at a time; the last four are filled up with further patches of the first cases.

    Args:
        context: a stage.
        task: which of the tasks so far.
        size: patches at a time.

    Yields:
        Full-resolution logits ``(size, K, ...)`` with their graph, and labels ``(size, 1, ...)``.
    """
    for keys in _chunks([(task, case) for case in context.cases[task]], PATCHES_PER_BATCH):
        batch = context.patches(keys)
        for first in range(0, len(keys), size):
            rows = slice(first, first + size)
            features = context.network.features(batch.data[rows])
            among = context.earlier if task in context.earlier else None
            yield context.network.logits(task, features[:1], among)[0], batch.target[0][rows]


def _chunks(keys: Sequence[Key], size: int) -> list[tuple[Key, ...]]:
    filled = [keys[i % len(keys)] for i in range(-(-len(keys) // size) * size)]
    return [tuple(filled[i : i + size]) for i in range(0, len(filled), size)]


def trace_normalized(importance: Importance) -> Importance:
    """Scale to mean 1, so that a strength means the same whatever the task, patch or loss scale."""
    total = sum(float(f.sum()) for f in importance.values())
    count = sum(f.numel() for f in importance.values())
    return {name: f * (count / total) if total > 0 else f for name, f in importance.items()}
