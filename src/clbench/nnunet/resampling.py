"""nnU-Net's resampling of anisotropic images to the same bits, in a third of the memory.

Where slices are thick nnU-Net resizes them one by one and then takes the nearest slice for every slice of the
result. It does the second step through the coordinates of every voxel, 72 bytes each, of which all that matters is
the number of a slice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from nnunetv2.preprocessing.resampling.default_resampling import (
    determine_do_sep_z_and_axis,
    resample_data_or_seg,
    resample_data_or_seg_to_shape,
)
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from scipy.ndimage import map_coordinates

Resample = Callable[[Any, Sequence[int], Sequence[float], Sequence[float]], np.ndarray]


class LeanConfiguration(ConfigurationManager):  # type: ignore[misc]
    """A configuration whose resampling needs less memory."""

    @property
    def resampling_fn_data(self) -> Resample:
        """For images."""
        return lean(super().resampling_fn_data)

    @property
    def resampling_fn_seg(self) -> Resample:
        """For labels."""
        return lean(super().resampling_fn_seg)

    @property
    def resampling_fn_probabilities(self) -> Resample:
        """For logits."""
        return lean(super().resampling_fn_probabilities)


def lean(function: partial[np.ndarray]) -> Resample:
    """What nnU-Net's own function gives, whatever the plan chose; with less memory where that is its default one.

    Args:
        function: one of the three of a configuration: takes ``(C, X, Y, Z)``, the new shape, the spacing now and the
            new one, both in mm.
    """

    def resample(
        data: np.ndarray | torch.Tensor, shape: Sequence[int], spacing: Sequence[float], target: Sequence[float]
    ) -> np.ndarray:
        axis = _thick_axis(function, spacing, target)
        if axis is None:
            return function(data, shape, spacing, target)
        slices = np.asarray(data)
        in_plane = np.array(shape)
        in_plane[axis] = slices.shape[axis + 1]
        options = function.keywords
        slices = resample_data_or_seg(slices, in_plane, options["is_seg"], axis, options["order"], True, order_z=0)
        return np.take(slices, _nearest(slices.shape[axis + 1], shape[axis]), axis + 1)

    return resample


def _thick_axis(function: partial[np.ndarray], spacing: Sequence[float], target: Sequence[float]) -> int | None:
    """The axis along which the nearest slice is taken; None where nnU-Net's function does something else."""
    options = function.keywords
    if function.func is not resample_data_or_seg_to_shape or options["order_z"] != 0:
        return None
    separate, axis = determine_do_sep_z_and_axis(options["force_separate_z"], spacing, target)
    return int(axis) if separate else None


def _nearest(slices: int, wanted: int) -> np.ndarray:
    """Which of the slices each of the wanted ones is, by the same rounding as for whole images."""
    if slices == wanted:
        return np.arange(slices)
    places = float(slices) / wanted * (np.arange(wanted) + 0.5) - 0.5
    nearest: np.ndarray = map_coordinates(np.arange(slices), [places], order=0, mode="nearest")
    return nearest
