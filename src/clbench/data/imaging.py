"""What an image or label holds, as the run's own reader gives it: its bytes' checksum, its grid, and its values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clbench.data.geometries import second_opinion
from clbench.readers import BY_ENDING, Unreadable, Volume, read_volume, voxel_size_file
from clbench.store import Json

Array = npt.NDArray[Any]
LABELS = 65536
"""nnU-Net writes label maps with 16 bits at most."""


def examine_image(path: Path, reader: str | None = None) -> Json:
    """Checksum, grid, and whether the values can be learnt from; ``error`` instead, if it can't be read."""
    return _examined(path, reader, label=False)


def examine_label(path: Path, reader: str | None = None) -> Json:
    """Checksum, grid, and how many voxels have which value; ``error`` instead, if it can't be read."""
    return _examined(path, reader, label=True)


def _examined(path: Path, reader: str | None, label: bool) -> Json:
    try:
        return facts_of(read_volume(reader or default_reader(path), path, label), path, label)
    except (Unreadable, MemoryError) as error:
        return unreadable(error)


def default_reader(path: Path) -> str:
    """nnU-Net's reader for a file whose dataset asks for none."""
    ending = next((ending for ending in BY_ENDING if path.name.lower().endswith(ending)), ".nrrd")
    return BY_ENDING[ending]


def unreadable(error: Exception) -> Json:
    """The facts about a file that can't be read."""
    return {"error": "does not fit into memory" if isinstance(error, MemoryError) else str(error)}


def facts_of(volume: Volume, path: Path, label: bool) -> Json:
    """The facts about a file that was read.

    Args:
        volume: what is in it.
        path: the file.
        label: whether it is a label.

    Returns:
        ``sha256``; ``shape``, ``spacing`` (mm) and ``affine`` in the order x, y, z; ``orientation`` in the file
        and ``axes`` as read; ``notes``; of an image ``finite`` and ``range``, of a label ``integers`` and
        ``values`` or an ``example`` of a fraction.
    """
    facts = {"sha256": volume.sha256, **_grid(volume), "notes": _notes(volume, path, label)}
    if not volume.values.size:
        return facts | {"empty": True}
    if volume.odd is not None:
        odd = {"integers": False, "example": str(volume.odd)} if label else {"finite": False, "range": None}
        return facts | odd
    return facts | (histogram(volume.values) if label else _range(volume.values))


def _notes(volume: Volume, path: Path, label: bool) -> dict[str, str]:
    beside = voxel_size_file(path, label)
    if beside and not beside.is_file():
        return {"size": f"{beside.name} with its voxel size is missing, so that nnU-Net takes 1 × 1 × 1 mm"}
    return second_opinion(volume)


def _grid(volume: Volume) -> Json:
    """Shape, spacing, affine and orientation; what is no single 3-D volume keeps its odd shape."""
    import nibabel

    values, spacing = volume.values, [float(size) for size in volume.properties["spacing"]]
    whole = values.ndim == 4 and values.shape[0] == 1 and len(spacing) == 3
    affine, stored = affines_of(volume.properties)
    flat = len(volume.properties.get("sitk_stuff", {}).get("spacing", spacing)) == 2
    shape = list(values.shape[1:] if whole else values.shape)[::-1]
    return {
        "shape": shape[:2] if flat else shape,
        "spacing": [round(size, 6) for size in reversed(spacing)],
        "affine": [[float(value) for value in row] for row in affine],
        "orientation": "".join(str(code) for code in nibabel.aff2axcodes(stored)),
        "axes": "".join(str(code) for code in nibabel.aff2axcodes(affine)),
    }


def affines_of(properties: Json) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Voxel (x, y, z) → mm towards right, front and head of what was read, and of how it lies in its file.

    Args:
        properties: what one of nnU-Net's readers noted of the geometry.
    """
    if found := properties.get("nibabel_stuff"):
        stored = np.asarray(found["original_affine"], dtype=float)
        return np.asarray(found.get("reoriented_affine", stored), dtype=float), stored
    found, affine = properties.get("sitk_stuff"), np.eye(4)
    if not found or len(found["spacing"]) < 3:
        affine[:3, :3] = np.diag([float(size) for size in reversed(properties["spacing"])][:3])
        return affine, affine
    axes = len(found["spacing"])
    direction = np.array(found["direction"]).reshape(axes, axes)[:3, :3]
    affine[:3, :3], affine[:3, 3] = direction * found["spacing"][:3], found["origin"][:3]
    affine[:2] *= -1  # ITK's axes point to the left and the back
    return affine, affine


def _range(values: Array) -> Json:
    low, high = float(values.min()), float(values.max())
    finite = bool(np.isfinite(low) and np.isfinite(high))  # a minimum is NaN if any value is
    return {"finite": finite, "range": [low, high] if finite else None}


def histogram(values: Array) -> Json:
    """How many voxels have which value, or an ``example`` of one that is no whole number.

    Args:
        values: ``(1, Z, Y, X)``; worked on slice by slice, which a processor's cache holds.
    """
    counts = np.zeros(1, dtype=np.int64)
    odd: dict[int, int] = {}
    for layer in values[0]:
        numbers = layer.astype(np.int32) if np.isfinite(layer).all() else None
        if numbers is None or not np.array_equal(numbers, layer):
            wrong = layer[~np.isfinite(layer) | (np.rint(layer) != layer)]
            if wrong.size:
                return {"integers": False, "example": str(wrong[0])}
            numbers = np.full(layer.shape, -1, np.int32)
        if numbers.min() < 0 or numbers.max() >= LABELS:
            for value, number in zip(*np.unique(layer, return_counts=True), strict=True):
                odd[int(value)] = odd.get(int(value), 0) + int(number)
            continue
        found = np.bincount(numbers.ravel(), minlength=len(counts))
        found[: len(counts)] += counts
        counts = found
    for value in np.flatnonzero(counts):
        odd[int(value)] = odd.get(int(value), 0) + int(counts[value])
    return {"integers": True, "values": {str(value): odd[value] for value in sorted(odd)}}
