"""nnU-Net's sliding window, several tiles to a forward pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch

from clbench.nnunet.prediction import Slices, gaussian_weights, pad_to_patch, tiles

Forward = Callable[[torch.Tensor], torch.Tensor]


@torch.inference_mode()
def predict_logits(
    forward: Forward,
    image: torch.Tensor,
    patch: Sequence[int],
    classes: int,
    mirror_axes: Sequence[int],
    together: int,
) -> torch.Tensor:
    """Predict a preprocessed image tile by tile.

    Tiles, their order, the Gaussian weights and the float16 sums are ``nnUNetPredictor``'s; only the forward
    passes are batched.

    Args:
        forward: ``(B, C, *patch)`` to full-resolution logits ``(B, K, *patch)``.
        image: ``(C, X, Y, Z)`` on the device to predict on.
        patch: tile size in voxels.
        classes: K.
        mirror_axes: spatial axes over which predictions are averaged; empty for none.
        together: tiles to a forward pass.

    Returns:
        Logits ``(K, X, Y, Z)``, float16.
    """
    padded, undo = pad_to_patch(image, patch)
    where = tiles(padded.shape[1:], patch)
    weights = gaussian_weights(patch, image.device)
    logits = torch.zeros((classes, *padded.shape[1:]), dtype=torch.half, device=image.device)
    total = torch.zeros(padded.shape[1:], dtype=torch.half, device=image.device)
    for some in _chunks(where, together):
        batch = torch.stack([padded[(slice(None), *slices)] for slices in some])
        for prediction, slices in zip(_mirrored(forward, batch, mirror_axes), some, strict=True):
            logits[(slice(None), *slices)] += prediction * weights
            total[slices] += weights
    return torch.div(logits, total)[(slice(None), *undo)]


def _chunks(where: list[Slices], size: int) -> list[list[Slices]]:
    return [where[i : i + size] for i in range(0, len(where), size)]


def _mirrored(forward: Forward, batch: torch.Tensor, axes: Sequence[int]) -> torch.Tensor:
    """Average over all mirrorings, in nnU-Net's order."""
    prediction = forward(batch)
    if not axes:
        return prediction
    dims = [axis + 2 for axis in axes]
    flips = [flip for size in range(1, len(dims) + 1) for flip in itertools.combinations(dims, size)]
    for flip in flips:
        prediction = prediction + torch.flip(forward(torch.flip(batch, flip)), flip)
    return prediction / (len(flips) + 1)
