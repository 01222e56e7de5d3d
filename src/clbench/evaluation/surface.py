"""How far two surfaces lie apart: normalised surface Dice and the 95 % Hausdorff distance, by MONAI.

MONAI takes seconds to import, so it is imported when the first distance is asked for.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def nsd(
    prediction: np.ndarray, reference: np.ndarray, spacing: Sequence[float], tolerance_mm: float
) -> float | None:
    """Share of both surfaces' area that lies within the tolerance of the other; None if both masks are empty.

    Surfaces run between the voxels and are weighted by area, as in Nikolov et al. 2018, arXiv 1809.04430.

    Args:
        prediction: boolean mask.
        reference: of the same shape.
        spacing: mm along the masks' axes.
        tolerance_mm: the largest distance that is no error.
    """
    if not prediction.any() or not reference.any():
        return 0.0 if prediction.any() or reference.any() else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI's, about its own calls
        from monai.metrics import compute_surface_dice

        masks = _cropped(prediction, reference)
        return float(compute_surface_dice(
            *masks, [tolerance_mm], include_background=True, spacing=list(spacing), use_subvoxels=True
        ))  # fmt: skip


def hd95_mm(prediction: np.ndarray, reference: np.ndarray, spacing: Sequence[float]) -> float | None:
    """The larger of the two directed 95th percentiles of the distances between border voxels, in mm.

    None if both masks are empty; the image's diagonal, than which no distance is larger, if one is.

    Args:
        prediction: boolean mask.
        reference: of the same shape.
        spacing: mm along the masks' axes.
    """
    if not prediction.any() or not reference.any():
        return diagonal_mm(prediction.shape, spacing) if prediction.any() or reference.any() else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from monai.metrics import compute_hausdorff_distance

        masks = _cropped(prediction, reference)
        return float(compute_hausdorff_distance(
            *masks, include_background=True, percentile=95, spacing=list(spacing)
        ))  # fmt: skip


def diagonal_mm(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """Length of an image's diagonal."""
    return math.hypot(*(size * step for size, step in zip(shape, spacing, strict=True)))


def _cropped(*masks: np.ndarray) -> list[torch.Tensor]:
    """The masks as MONAI wants them, of the box that holds both: nothing outside of it has a surface."""
    import torch

    union = np.logical_or(*masks)
    extents = [np.flatnonzero(union.any(axis=tuple({*range(union.ndim)} - {axis}))) for axis in range(union.ndim)]
    box = tuple(slice(int(found[0]), int(found[-1]) + 1) for found in extents)
    return [torch.from_numpy(np.ascontiguousarray(mask[box]))[None, None].float() for mask in masks]
