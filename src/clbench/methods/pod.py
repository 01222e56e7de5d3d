"""Local POD, pooled outputs distillation (Douillard et al., CVPR 2021), in three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

SCALES = (1, 2, 4)
AXES = (2, 3, 4)


def local_pod(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Distance of two features' squares, pooled along each axis within the windows of each scale; mean over patches.

    At scale s every axis is cut into s parts, as equal as can be, or into single voxels if it has fewer. A window's
    mean along one axis keeps the positions along the others, so that all windows' pooled values together are
    those of the parts of that axis alone. The distance is the Frobenius norm over all of them, as in the paper's
    code, where the two axes of an image are pooled.
    Source: arXiv 2011.11390, equations 3 to 5; code github.com/arthurdouillard/CVPR2021_PLOP.

    Args:
        student: features or logits ``(B, F, x, y, z)``.
        teacher: the same shape.
    """
    difference = student.float().square() - teacher.float().square()
    pooled = [
        part.mean(axis).flatten(1)
        for axis in AXES
        for scale in SCALES
        for part in difference.tensor_split(min(scale, difference.shape[axis]), axis)
    ]
    distance: torch.Tensor = torch.linalg.vector_norm(torch.cat(pooled, 1), dim=1)
    return distance.mean()


class EncoderTap:
    """What a trunk's encoder gave in its last forward pass: a feature per stage, finest first."""

    def __init__(self, trunk: nn.Module) -> None:
        """Listen to the encoder."""
        self.features: Sequence[torch.Tensor] = ()
        encoder: Any = trunk.encoder
        encoder.register_forward_hook(self._take)

    def _take(self, module: nn.Module, inputs: Any, skips: list[torch.Tensor]) -> None:
        self.features = list(skips)
