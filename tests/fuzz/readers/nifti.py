"""An image or a label map of a dataset; what is wrong with it is said, never raised."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import nibabel
import numpy as np
from nibabel import imageglobals

from clbench.data.imaging import examine_image, examine_label

imageglobals.logger.setLevel("CRITICAL")  # it tells what it mends in a header, which here are thousands


def seeds() -> Iterable[bytes]:
    """Small images of several types, of both versions."""
    for kind in (np.uint8, np.int16, np.float32):
        yield nibabel.Nifti1Image(np.ones((3, 2, 2), kind), np.eye(4)).to_bytes()
    yield nibabel.Nifti2Image(np.ones((2, 2, 2), np.uint8), np.eye(4)).to_bytes()


def read(data: bytes, folder: Path) -> None:
    """As ``clbench data prepare`` and ``verify`` do, also compressed."""
    plain, packed = folder / "x.nii", folder / "x.nii.gz"
    plain.write_bytes(data)
    examine_image(plain)
    examine_label(plain)
    packed.write_bytes(data if data[:2] == b"\x1f\x8b" else gzip.compress(data, 1))
    examine_image(packed)
