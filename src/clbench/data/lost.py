"""Foreground that training never sees: nnU-Net crops every case to the box of the image's non-zero voxels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Box = tuple[tuple[int, int], ...]
"""First voxel and the one behind the last, along each axis."""


def nonzero_box(values: npt.NDArray[Any]) -> Box | None:
    """The box of the voxels that are not 0; None if all are.

    Args:
        values: ``(1, Z, Y, X)``.
    """
    if values.ndim != 4:
        return None
    layers, plane = np.zeros(len(values[0]), bool), np.zeros(values.shape[2:], bool)
    for number, layer in enumerate(values[0]):
        mask = layer != 0
        layers[number] = mask.any()
        plane |= mask
    if not layers.any():
        return None
    lines = (layers, plane.any(axis=1), plane.any(axis=0))
    found = [np.flatnonzero(line) for line in lines]
    return tuple((int(places[0]), int(places[-1]) + 1) for places in found)


def foreground_outside(label: npt.NDArray[Any], boxes: Sequence[Box | None]) -> int:
    """How many voxels above 0 of a label lie outside the smallest box round those of all channels.

    Args:
        label: ``(1, Z, Y, X)``; of another shape than the images it is refused elsewhere, and this is meaningless.
        boxes: of each channel.
    """
    known = [box for box in boxes if box]
    if not known or label.ndim != 4:
        return 0
    inside = tuple(slice(min(b[k][0] for b in known), max(b[k][1] for b in known)) for k in range(3))
    if all(cut.start == 0 and cut.stop >= size for cut, size in zip(inside, label.shape[1:], strict=True)):
        return 0
    return int(np.count_nonzero(label[0] > 0) - np.count_nonzero(label[0][inside] > 0))
