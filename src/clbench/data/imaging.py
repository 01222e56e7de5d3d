"""What an image file holds: its bytes' checksum, its grid, and its values, read once and slab by slab."""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clbench.inflate import inflated
from clbench.store import Json

Array = npt.NDArray[Any]
SLAB = 2**22
"""Voxels that are looked at together; bounds the memory beside the image itself."""
MOST = 2**33
"""Bytes that a compressed image may unpack to."""


@dataclass(frozen=True)
class Volume:
    """An image as it is stored.

    Attributes:
        stored: numbers in the file, axes in the file's order.
        slope: what a stored number is multiplied with.
        intercept: what is then added.
        affine: voxel → mm towards right, front and head, 4 × 4.
        spacing: voxel size along the axes in mm.
    """

    stored: Array
    slope: float
    intercept: float
    affine: npt.NDArray[np.float64]
    spacing: tuple[float, ...]

    def slabs(self) -> Iterator[Array]:
        """The values, some slices at a time."""
        slices = self.stored.shape[-1]
        step = max(1, SLAB * slices // max(self.stored.size, 1))
        for start in range(0, slices, step):
            slab = self.stored[..., start : start + step]
            yield slab if (self.slope, self.intercept) == (1, 0) else slab * self.slope + self.intercept


def examine_image(path: Path) -> Json:
    """Checksum, grid, and whether the values can be learnt from; ``error`` instead, if it can't be read."""
    return _examined(path, _range)


def examine_label(path: Path) -> Json:
    """Checksum, grid, and how many voxels have which value; ``error`` instead, if it can't be read."""
    return _examined(path, _histogram)


def _examined(path: Path, look: Any) -> Json:
    try:
        data = path.read_bytes()
        volume = read_volume(path, data)
        facts = {"sha256": hashlib.sha256(data).hexdigest()} | _grid(volume)
        return facts | (look(volume) if volume.stored.size else {"empty": True})
    except MemoryError:
        return {"error": "does not fit into memory"}
    except Exception as error:  # readers raise anything at a truncated or foreign file
        return {"error": f"can't be read, it may be truncated: {error or type(error).__name__}"}


def _grid(volume: Volume) -> Json:
    import nibabel

    return {
        "shape": list(volume.stored.shape),
        "spacing": [round(float(size), 6) for size in volume.spacing],
        "affine": [[float(value) for value in row] for row in volume.affine],
        "orientation": "".join(str(code) for code in nibabel.aff2axcodes(volume.affine)),
    }


def _range(volume: Volume) -> Json:
    low, high, finite = np.inf, -np.inf, True
    for slab in volume.slabs():
        finite = finite and (slab.dtype.kind in "iub" or bool(np.isfinite(slab).all()))
        if finite:
            low, high = min(low, float(slab.min())), max(high, float(slab.max()))
    return {"finite": finite, "range": [low, high] if finite else None}


def _histogram(volume: Volume) -> Json:
    counts: Counter[int] = Counter()
    for slab in volume.slabs():
        if slab.dtype.kind == "f" and (odd := slab[~_whole(slab)]).size:
            return {"integers": False, "example": str(odd.flat[0])}
        counts.update(_counted(slab))
    return {"integers": True, "values": {str(value): counts[value] for value in sorted(counts)}}


def _whole(slab: Array) -> npt.NDArray[np.bool_]:
    whole: npt.NDArray[np.bool_] = np.isfinite(slab) & (np.rint(slab) == slab)
    return whole


def _counted(slab: Array) -> dict[int, int]:
    if slab.dtype.kind in "ui" and slab.min() >= 0 and slab.max() < 4096:
        found = np.bincount(slab.ravel(order="K"))
        return {int(value): int(found[value]) for value in np.flatnonzero(found)}
    values, numbers = np.unique(slab, return_counts=True)
    return {int(value): int(number) for value, number in zip(values, numbers, strict=True)}


def read_volume(path: Path, data: bytes) -> Volume:
    """Read an image; a compressed file is read to its end, so that its own checksum is compared.

    Raises:
        OSError, EOFError, ValueError, RuntimeError, zlib.error: it is truncated or no such file.
    """
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        return _nifti(inflated(data, MOST) if name.endswith(".gz") else data)
    return _tiff(path) if name.endswith((".tif", ".tiff")) else _itk(path)


def _nifti(data: bytes) -> Volume:
    import nibabel

    size = {struct.unpack(order, data[:4])[0] for order in ("<i", ">i")}
    if not size & {348, 540}:
        raise ValueError("it is no NIfTI file")
    image = (nibabel.Nifti2Image if 540 in size else nibabel.Nifti1Image).from_bytes(data)
    needed = image.dataobj.offset + math.prod(image.shape) * image.dataobj.dtype.itemsize
    if needed > len(data):  # nibabel makes room for all that a header claims before it reads
        raise ValueError(f"Expected {needed} bytes by its header, got {len(data)}")
    slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
    spacing = tuple(map(float, image.header.get_zooms()))
    return Volume(image.dataobj.get_unscaled(), slope, intercept, image.affine, spacing)


def _itk(path: Path) -> Volume:
    """Through ITK, whose axes point to the left and the back."""
    import SimpleITK

    image = SimpleITK.ReadImage(str(path))
    stored = SimpleITK.GetArrayFromImage(image)
    spacing = tuple(image.GetSpacing())
    if image.GetNumberOfComponentsPerPixel() > 1 or len(spacing) != 3:
        return Volume(stored.T, 1, 0, np.eye(4), spacing)
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * spacing
    affine[:3, 3] = image.GetOrigin()
    affine[:2] *= -1
    return Volume(stored.transpose(2, 1, 0), 1, 0, affine, spacing)


def _tiff(path: Path) -> Volume:
    """A stack of slices with its voxel size in a JSON file beside it, as nnU-Net's reader wants it."""
    import tifffile

    stored = tifffile.imread(path).T
    beside = path.with_name(re.sub(r"(_\d{4})?\.tiff?$", ".json", path.name, flags=re.IGNORECASE))
    if not beside.is_file():
        raise ValueError(f"{beside} with the voxel size is missing")
    spacing = tuple(float(size) for size in reversed(json.loads(beside.read_text())["spacing"]))
    return Volume(stored, 1, 0, np.diag([*spacing, 1.0]), spacing)
