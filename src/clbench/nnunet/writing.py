"""Label maps as NIfTI files on the grid of their case's image, by nnU-Net's own writers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nnunetv2.imageio.base_reader_writer import BaseReaderWriter
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO, NibabelIOWithReorient
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO


def write_label_map(path: Path, label: np.ndarray, properties: dict[str, Any]) -> None:
    """Write a label map in native space, whatever reader read its case.

    Args:
        path: ends in ``.nii.gz``.
        label: whole numbers, in the axis order of nnU-Net's reader.
        properties: what the reader noted of the geometry.
    """
    writer = _writer(properties)
    if writer is not None:
        writer.write_seg(label, str(path), properties)
    else:
        affine = np.diag([*reversed(properties["spacing"]), 1.0])
        nibabel.save(nibabel.Nifti1Image(label.transpose(2, 1, 0), affine), path)


def _writer(properties: dict[str, Any]) -> BaseReaderWriter | None:
    """The counterpart of the reader that noted these properties; None for formats without a place in space."""
    if "sitk_stuff" in properties:
        return SimpleITKIO()
    if "nibabel_stuff" in properties:
        return NibabelIOWithReorient() if "reoriented_affine" in properties["nibabel_stuff"] else NibabelIO()
    return None
