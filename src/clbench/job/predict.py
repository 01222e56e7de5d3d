"""A preprocessed case through a network: by one task's head, on its own grid or in its native space."""

from __future__ import annotations

import numpy as np
import torch

from clbench.evaluation.sliding_window import predict_logits
from clbench.network.heads import MultiHeadNetwork
from clbench.nnunet.checkpoint import MIRROR_AXES
from clbench.nnunet.parts import NnunetParts
from clbench.nnunet.prediction import to_native
from clbench.store import Json

TILES_TOGETHER = {"cpu": 4, "cuda": 1}
"""Tiles to a forward pass: a lone one is slow on CPU, and on CUDA several need too much memory."""


def case_logits(
    network: MultiHeadNetwork, parts: NnunetParts, task: str, data: np.ndarray, mirror: bool
) -> torch.Tensor:
    """Logits ``(K, X, Y, Z)`` of a preprocessed case, by one task's head or the softmax it is part of.

    Args:
        network: in evaluation mode.
        parts: nnU-Net's parts for the task.
        task: whose head.
        data: ``(C, X, Y, Z)``.
        mirror: whether to average over mirrored predictions.
    """

    def forward(tiles: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cuda", enabled=parts.device.type == "cuda"):
            return network.logits(task, network.features(_as_trained(tiles), task)[:1])[0]

    def _as_trained(tiles: torch.Tensor) -> torch.Tensor:
        cuda = parts.device.type == "cuda"
        return tiles if cuda else tiles.contiguous(memory_format=torch.channels_last_3d)

    image = torch.from_numpy(data).to(parts.device)
    return predict_logits(
        forward, image, parts.configuration.patch_size, parts.labels.num_segmentation_heads,
        MIRROR_AXES if mirror else (), TILES_TOGETHER[parts.device.type],
    )  # fmt: skip


def predict_case(
    network: MultiHeadNetwork, parts: NnunetParts, task: str, data: np.ndarray, properties: Json, mirror: bool
) -> np.ndarray:
    """The label map of ``case_logits``, brought to native space by what preprocessing noted in ``properties``."""
    return to_native(case_logits(network, parts, task, data, mirror).cpu(), parts, properties)
