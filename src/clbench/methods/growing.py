"""What the methods share that are made for a softmax that grows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

import torch
from torch import nn
from torch.nn import functional as F

from clbench.network.batch import Batch
from clbench.network.heads import MultiHeadNetwork


@torch.no_grad()
def balance_new_classes(network: MultiHeadNetwork, task: str) -> float:
    """Begin a new task's classes as equal shares of the background, in every deep-supervision layer.

    The n new classes take the background's weights; they and the background its bias - log(n + 1). The old
    classes keep their probabilities, and the background and the new classes together have what it had.
    Source: MiB, Cermelli et al., CVPR 2020, arXiv 2002.00718, section 3.3.

    Args:
        network: with joined heads; the first has the background as channel 0.
        task: whose head is new.

    Returns:
        log(n + 1), how far the background's logit moved.
    """
    first, new = (cast(nn.ModuleList, network.heads[name]) for name in (next(iter(network.heads)), task))
    shift = math.log(len(network.channels(task)) + 1)
    for old_layer, new_layer in zip(first, new, strict=True):
        old, fresh = cast(nn.Conv3d, old_layer), cast(nn.Conv3d, new_layer)
        bias = cast(torch.Tensor, old.bias)
        bias[0] -= shift
        fresh.weight.copy_(old.weight[:1].expand_as(fresh.weight))
        cast(torch.Tensor, fresh.bias).fill_(float(bias[0]))
    return shift


def background(batch: Batch) -> torch.Tensor:
    """Where a batch's full-resolution target is background, ``(B, X, Y, Z)``."""
    return batch.target[0][:, 0] == 0


def with_background_labelled(batch: Batch, labels: torch.Tensor) -> Batch:
    """A batch whose background has these labels ``(B, X, Y, Z)``; a voxel with a label of its own keeps it.

    The coarser targets are made of the finest as nnU-Net makes them, by the nearest voxel.
    """
    full = batch.target[0]
    filled = torch.where(full == 0, labels[:, None].to(full.dtype), full)
    coarser = [F.interpolate(filled.float(), t.shape[2:], mode="nearest-exact").to(t.dtype) for t in batch.target[1:]]
    return replace(batch, target=(filled, *coarser))
