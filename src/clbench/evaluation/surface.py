"""How far two surfaces lie apart: normalised surface Dice and the 95 % Hausdorff distance, by MONAI.

MONAI takes seconds to import, so it is imported when the first distance is asked for.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np


def nsd(
    prediction: np.ndarray, reference: np.ndarray, spacing: Sequence[float], tolerance_mm: float
) -> float | None:
    """Share of both surfaces' area that lies within the tolerance of the other; None if both masks are empty.

    Surfaces run between the voxels and are weighted by area, as in Nikolov et al. 2018, arXiv 1809.04430. The number
    is that of MONAI's ``compute_surface_dice`` with ``use_subvoxels``, whose convolution over the whole volume takes
    a core half a minute for a liver; here only its table of areas and its distances are used.

    Args:
        prediction: boolean mask.
        reference: of the same shape.
        spacing: mm along the masks' axes.
        tolerance_mm: the largest distance that is no error.
    """
    if not prediction.any() or not reference.any():
        return 0.0 if prediction.any() or reference.any() else None
    from monai.metrics.utils import create_table_neighbour_code_to_surface_area, get_surface_distance

    area = create_table_neighbour_code_to_surface_area(tuple(spacing))[0].numpy().astype(np.float64)
    (ones, codes), (others, other_codes) = map(_surface, _cropped(prediction, reference))
    near = get_surface_distance(ones, others, spacing=spacing) <= tolerance_mm
    other_near = get_surface_distance(others, ones, spacing=spacing) <= tolerance_mm
    areas, other_areas = area[codes], area[other_codes]
    return float((areas[near].sum() + other_areas[other_near].sum()) / (areas.sum() + other_areas.sum()))


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
        warnings.simplefilter("ignore", FutureWarning)  # MONAI's, about its own calls
        import torch
        from monai.metrics import compute_hausdorff_distance

        masks = (torch.from_numpy(mask)[None, None].float() for mask in _cropped(prediction, reference))
        return float(compute_hausdorff_distance(
            *masks, include_background=True, percentile=95, spacing=list(spacing)
        ))  # fmt: skip


def diagonal_mm(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """Length of an image's diagonal."""
    return math.hypot(*(size * step for size, step in zip(shape, spacing, strict=True)))


def _surface(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where 2 × 2 × 2 voxels are partly in the mask, of shape ``(X + 1, Y + 1, Z + 1)``, and which of them are.

    Returns:
        Those places as a mask; for each, the code in MONAI's tables: a bit a voxel, the first axis slowest, from 128.
    """
    padded = np.pad(mask, 1).astype(np.uint8)
    codes = np.zeros([size + 1 for size in mask.shape], np.uint8)
    for bit, corner in enumerate(np.ndindex(*(2,) * mask.ndim)):
        shifted = padded[tuple(slice(at, at + size) for at, size in zip(corner, codes.shape, strict=True))]
        codes |= shifted << (7 - bit)
    edges = (codes != 0) & (codes != 255)
    return edges, codes[edges]


def _cropped(*masks: np.ndarray) -> list[np.ndarray]:
    """The masks in the box that holds both: nothing outside of it has a surface."""
    union = np.logical_or(*masks)
    extents = [np.flatnonzero(union.any(axis=tuple({*range(union.ndim)} - {axis}))) for axis in range(union.ndim)]
    box = tuple(slice(int(found[0]), int(found[-1]) + 1) for found in extents)
    return [np.ascontiguousarray(mask[box]) for mask in masks]
