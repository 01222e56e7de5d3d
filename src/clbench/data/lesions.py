"""Lesions that no source outlines: drawn into the deformed organs of a case."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clbench.data.draws import Draws, Floats
from clbench.definitions.anatomy_source import Lesion

Mask = npt.NDArray[np.bool_]
Spacing = tuple[float, float, float]

BUMPS = 0.35  # largest relative change of the squared radius by each of the three bumps
MARGIN = 0.15  # share of the image along each side where no lesion starts, if there is a choice


def draw(
    lesion: Lesion, number: int, organs: npt.NDArray[np.uint8], hu: Floats, spacing: Spacing, draws: Draws
) -> Mask:
    """Draw a case's lesions of one kind into ``hu`` and say where they are.

    Args:
        lesion: what is drawn.
        number: the number of the lesion's organ in ``organs``.
        organs: organ numbers of the case.
        hu: intensities, changed in place.
        spacing: voxel size in mm.
        draws: the case's random numbers.

    Returns:
        The voxels that belong to a lesion; none when the organ is not in the image.
    """
    host = organs == number
    marked = np.zeros(organs.shape, dtype=np.bool_)
    starts = _starts(host, lesion)
    for _ in range(draws.integer(*lesion.count) if starts.size else 0):
        start = np.unravel_index(starts[draws.integer(0, starts.size - 1)], organs.shape)
        body = _bumpy_ellipsoid(organs.shape, start, spacing, lesion, draws)
        body &= host if lesion.grows == "inside" else host | (organs == 0)
        hu[body] = draws.uniform(*lesion.hu) + draws.normals(lesion.texture_hu, int(np.count_nonzero(body)))
        marked |= body
    return marked


def _starts(host: Mask, lesion: Lesion) -> npt.NDArray[np.intp]:
    """Flat indices of the voxels where a lesion may start."""
    candidates = host if lesion.grows == "inside" else host & ~_interior(host)
    central = np.zeros_like(host)
    central[tuple(slice(int(size * MARGIN), size - int(size * MARGIN)) for size in host.shape)] = True
    preferred = np.flatnonzero(candidates & central)
    return preferred if preferred.size else np.flatnonzero(candidates)


def _interior(mask: Mask) -> Mask:
    """Voxels whose six neighbours are all in the mask."""
    padded = np.pad(mask, 1)
    inner = mask.copy()
    for axis in range(3):
        for step in (-1, 1):
            inner &= np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1]
    return inner


def _bumpy_ellipsoid(
    shape: tuple[int, ...], start: tuple[np.intp, ...], spacing: Spacing, lesion: Lesion, draws: Draws
) -> Mask:
    """An ellipsoid round ``start`` whose radius varies smoothly with the direction."""
    radii = [draws.uniform(*lesion.radius_mm) for _ in range(3)]
    bumps = [draws.symmetric(BUMPS) for _ in range(3)]
    along = [
        (np.arange(size) - int(place)) * (step / radius)
        for size, place, step, radius in zip(shape, start, spacing, radii, strict=True)
    ]
    x, y, z = along[0][:, None, None], along[1][None, :, None], along[2][None, None, :]
    square = x * x + y * y + z * z
    # Quadratic terms over the square depend on the direction alone; multiplied out to spare the division.
    bump = bumps[0] * (x * y) + bumps[1] * (y * z) + bumps[2] * (z * x)
    inside: Mask = square * square <= square + 2 * bump
    return inside
