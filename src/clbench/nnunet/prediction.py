"""Sliding-window geometry, Gaussian weighting and the way back to native space, all nnU-Net's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from acvl_utils.cropping_and_padding.bounding_boxes import insert_crop_into_image
from acvl_utils.cropping_and_padding.padding import pad_nd_image
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window

from clbench.nnunet.parts import NnunetParts
from clbench.nnunet.resampling import lean

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
    """Resample logits ``(K, X, Y, Z)`` to the case's native space with nnU-Net and take the labels there.

    The same labels as ``convert_predicted_logits_to_segmentation_with_correct_shape`` gives, but one class after
    another, so that memory does not grow with K: nnU-Net resamples all of them in float64 before it looks for the
    largest, the first of equals.

    Returns:
        The label map, uint8 or uint16, in the axis order of nnU-Net's reader.
    """
    best: np.ndarray | None = None
    label = np.zeros(properties["shape_after_cropping_and_before_resampling"], dtype=_label_type(parts))
    for number in range(len(logits)):
        one = _resampled(logits[number : number + 1], parts, properties)
        if best is None:
            best = one.copy()  # where nothing is resampled it is a view of the logits
        else:
            larger = one > best
            label[larger] = number
            np.copyto(best, one, where=larger)
    whole = np.zeros(properties["shape_before_cropping"], dtype=label.dtype)
    insert_crop_into_image(whole, label, properties["bbox_used_for_cropping"])
    native: np.ndarray = whole.transpose(parts.plans_manager.transpose_backward)
    return native


def _label_type(parts: NnunetParts) -> type[np.unsignedinteger[Any]]:
    return np.uint8 if len(parts.labels.foreground_labels) < 255 else np.uint16


def _resampled(logits: torch.Tensor, parts: NnunetParts, properties: dict[str, Any]) -> np.ndarray:
    """One class's logits ``(1, X, Y, Z)`` at the resolution that the case had before it was preprocessed."""
    spacing = [properties["spacing"][axis] for axis in parts.plans_manager.transpose_forward]
    shape, now = properties["shape_after_cropping_and_before_resampling"], parts.configuration.spacing
    resampled: np.ndarray = lean(parts.configuration.resampling_fn_probabilities)(logits, shape, now, spacing)[0]
    return resampled
