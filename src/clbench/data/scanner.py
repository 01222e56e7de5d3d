"""What a task's scanner does to the intensities of a case."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clbench.data.draws import Draws, Floats
from clbench.definitions.anatomy_source import Scanner

LOWEST_HU, HIGHEST_HU = -1024, 3071
PASSES = 2  # a blur of up to one voxel needs two passes of a three-voxel kernel


def scan(hu: Floats, spacing: tuple[float, float, float], scanner: Scanner, draws: Draws) -> npt.NDArray[np.int16]:
    """Blur, shade, scale, shift and add noise; then round to whole HU, as a scanner stores them."""
    seen = _blurred(hu, spacing, scanner.blur_mm) + _shading(hu.shape, scanner.shading_hu, draws)
    seen = seen * scanner.slope + scanner.offset_hu + draws.normals(scanner.noise_hu, *hu.shape)
    return np.clip(np.rint(seen), LOWEST_HU, HIGHEST_HU).astype(np.int16)


def _blurred(hu: Floats, spacing: tuple[float, float, float], deviation: float) -> Floats:
    """Blur with repeated kernels [w, 1 - 2w, w], whose variances 2w add up to the wanted one."""
    for axis, step in enumerate(spacing):
        weight = (deviation / step) * (deviation / step) / (2 * PASSES)
        for _ in range(PASSES if weight else 0):
            size = hu.shape[axis]
            before = hu.take(np.maximum(np.arange(size) - 1, 0), axis)
            after = hu.take(np.minimum(np.arange(size) + 1, size - 1), axis)
            hu = hu + weight * ((before - hu) + (after - hu))
    return hu


def _shading(shape: tuple[int, ...], strength: float, draws: Draws) -> Floats:
    """A ramp through 0 at the middle, in a random direction, at most ``strength`` at a corner."""
    ramp = np.zeros(shape)
    for axis, size in enumerate(shape):
        along = np.linspace(-1.0, 1.0, size) * draws.symmetric(strength / len(shape))
        ramp += along.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return ramp
