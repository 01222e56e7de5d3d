"""Where in a scene each voxel of a case lies, and what is found there.

Only additions, products and quotients of single elements are used (no BLAS, no sums along an axis, no sine):
each is correctly rounded everywhere, so the numbers do not depend on the machine. Coordinates are then
rounded to 1/256 voxel, which makes the interpolation exact in double precision.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

from clbench.data.anatomy import Scene
from clbench.data.draws import Draws, Floats
from clbench.definitions.anatomy_source import AnatomySource, Variation

Points = tuple[Floats, Floats, Floats]
Integers = npt.NDArray[np.int64]

CONTROL_POINTS = (5, 5, 4)
STEPS = 256  # coordinates are multiples of 1/STEPS voxel
DEGREE = 0.017453292519943295


def middle(organs: npt.NDArray[np.uint8], number: int) -> tuple[float, float, float]:
    """Centre of the box round an organ, in voxels."""
    mask = organs == number
    inside = [np.flatnonzero(mask.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    x, y, z = (float(places[0] + places[-1]) / 2 for places in inside)
    return x, y, z


def centre(source: AnatomySource, scene: Scene, number: int, scale: float, draws: Draws) -> tuple[float, ...]:
    """A case's middle in the scene, in mm: near the focus, with the image inside the scene if it fits."""
    found = []
    for axis, place in enumerate(middle(scene.organs, number)):
        length = (scene.hu.shape[axis] - 1) * scene.spacing[axis]
        half = min(source.shape[axis] * source.spacing[axis] / 2 / scale, length / 2)
        wanted = place * scene.spacing[axis] + draws.symmetric(source.variation.jitter_mm)
        found.append(min(max(wanted, half), length - half))
    return tuple(found)


def rotation(variation: Variation, draws: Draws) -> list[list[float]]:
    """A random rotation matrix; half-angle formulas instead of sine and cosine, whose last bits vary."""
    matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    for axis, limit in enumerate(variation.rotation_degrees):
        half = draws.symmetric(limit) * DEGREE / 2
        cosine, sine = (1 - half * half) / (1 + half * half), 2 * half / (1 + half * half)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        first, second = matrix[i], matrix[j]
        matrix[i] = [cosine * a - sine * b for a, b in zip(first, second, strict=True)]
        matrix[j] = [sine * a + cosine * b for a, b in zip(first, second, strict=True)]
    return matrix


def _interpolated(values: Floats, axis: int, size: int) -> Floats:
    """Stretch one axis to ``size`` by Catmull-Rom interpolation (smooth, through the given values)."""
    last = values.shape[axis] - 1
    place = np.arange(size) * (last / (size - 1) if size > 1 else 0.0)
    base = np.minimum(place.astype(np.int64), last - 1)
    t = (place - base).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    weights = (
        t * (t * (2 - t) - 1) / 2,
        (t * t * (3 * t - 5) + 2) / 2,
        t * (t * (4 - 3 * t) + 1) / 2,
        t * t * (t - 1) / 2,
    )
    taps = [np.take(values, np.clip(base + offset, 0, last), axis) for offset in (-1, 0, 1, 2)]
    a, b, c, d = (weight * tap for weight, tap in zip(weights, taps, strict=True))
    stretched: Floats = a + b + c + d
    return stretched


def displacement(shape: tuple[int, ...], deviation: float, draws: Draws) -> Points:
    """A smooth displacement in mm, one component for each axis."""
    field = draws.normals(deviation, 3, *CONTROL_POINTS)
    for axis, size in enumerate(shape, start=1):
        field = _interpolated(field, axis, size)
    x, y, z = field
    return x, y, z


def grid(source: AnatomySource) -> Points:
    """Distance of each voxel from the image's middle in mm, one axis each, ready to broadcast."""
    x, y, z = (
        (np.arange(size) - (size - 1) / 2) * np.float64(step)
        for size, step in zip(source.shape, source.spacing, strict=True)
    )
    return x[:, None, None], y[None, :, None], z[None, None, :]


def deformed(source: AnatomySource, scene: Scene, number: int, draws: Draws) -> Points:
    """Where each voxel of a case lies in the scene: three arrays of the case's shape, in mm."""
    variation = source.variation
    scale = draws.uniform(*variation.scale)
    start = centre(source, scene, number, scale, draws)
    matrix = rotation(variation, draws)
    mirrored = -1 if variation.mirror and draws.integer(0, 1) else 1
    shifts = displacement(source.shape, variation.warp_mm, draws)
    x, y, z = grid(source)
    x = x * mirrored
    u, v, w = (
        (row[0] * x + row[1] * y + row[2] * z) / scale + shift + begin
        for row, shift, begin in zip(matrix, shifts, start, strict=True)
    )
    return u, v, w


def _steps(points: Points, scene: Scene) -> tuple[Integers, Integers, Integers]:
    """Coordinates in 1/STEPS voxel; what lies outside the scene is moved to its edge."""
    x, y, z = (
        np.clip(np.rint(along * (STEPS / step)), 0, (size - 1) * STEPS).astype(np.int64)
        for along, step, size in zip(points, scene.spacing, scene.hu.shape, strict=True)
    )
    return x, y, z


def sample(scene: Scene, points: Points) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Intensities (linear interpolation) and organ numbers (nearest voxel) at points given in mm."""
    places = _steps(points, scene)
    x, y, z = ((place + STEPS // 2) // STEPS for place in places)
    return _linear(scene.hu, places), scene.organs[x, y, z]


def _linear(volume: npt.NDArray[np.int16], places: tuple[Integers, Integers, Integers]) -> Floats:
    """Trilinear interpolation; exact, because positions and values have few bits."""
    bases = [np.minimum(place // STEPS, size - 2) for place, size in zip(places, volume.shape, strict=True)]
    parts = [(place - base * STEPS) / STEPS for place, base in zip(places, bases, strict=True)]
    sides = [(1 - part, part) for part in parts]
    strides = (volume.shape[1] * volume.shape[2], volume.shape[2], 1)
    first = bases[0] * strides[0] + bases[1] * strides[1] + bases[2]
    flat = volume.reshape(-1)
    total = np.zeros(first.shape)
    for i, j, k in product((0, 1), repeat=3):
        values = flat[first + (i * strides[0] + j * strides[1] + k)]
        total += sides[0][i] * sides[1][j] * sides[2][k] * values
    return total
