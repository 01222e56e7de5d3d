"""Sliding-window geometry, Gaussian weighting and the way back to native space, all nnU-Net's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from acvl_utils.cropping_and_padding.padding import pad_nd_image
from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_dataset_json
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window

from clbench.nnunet.parts import NnunetParts

STEP = 0.5
Slices = tuple[slice, ...]


def gaussian_weights(patch: Sequence[int], device: torch.device) -> torch.Tensor:
    """nnU-Net's importance of each voxel of a tile, ``patch`` shaped, float16."""
    weights = compute_gaussian(tuple(patch), sigma_scale=1.0 / 8, value_scaling_factor=10, device=device)
    return torch.as_tensor(weights)


def tiles(shape: Sequence[int], patch: Sequence[int]) -> list[Slices]:
    """Where nnU-Net lays its tiles over an image of ``shape`` voxels, in nnU-Net's order."""
    xs, ys, zs = compute_steps_for_sliding_window(tuple(shape), tuple(patch), STEP)
    return [
        tuple(slice(start, start + size) for start, size in zip(corner, patch, strict=True))
        for corner in ((x, y, z) for x in xs for y in ys for z in zs)
    ]


def pad_to_patch(image: torch.Tensor, patch: Sequence[int]) -> tuple[torch.Tensor, Slices]:
    """Zero-pad an image ``(C, X, Y, Z)`` to at least the patch size; also the slices that undo it."""
    padded, slicer = pad_nd_image(image, tuple(patch), "constant", {"value": 0}, True, None)
    return padded, tuple(slicer[1:])


def to_native(logits: torch.Tensor, parts: NnunetParts, properties: dict[str, Any]) -> np.ndarray:
    """Resample logits ``(K, X, Y, Z)`` to the case's native space with nnU-Net and take the labels there."""
    labels: np.ndarray = convert_predicted_logits_to_segmentation_with_correct_shape(
        logits, parts.plans_manager, parts.configuration, parts.labels, properties, num_threads_torch=1
    )
    return labels


def read_label(path: str, dataset_json: dict[str, Any]) -> np.ndarray:
    """A label file in native space, in the axis order that ``to_native`` gives."""
    reader = determine_reader_writer_from_dataset_json(dataset_json, path, verbose=False)
    seg, _ = reader().read_seg(path)
    label: np.ndarray = seg[0]
    return label
