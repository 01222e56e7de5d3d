"""Where the two libraries that read NIfTI understand a file differently: nnU-Net picks one, other tools the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clbench.readers import Volume
from clbench.store import Json

UNITS = {1: 1000.0, 3: 0.001}
"""Millimetres to a unit of a NIfTI header where it is none: code 1 is metres, 3 micrometres; ITK converts."""


def second_opinion(volume: Volume) -> dict[str, str]:
    """How SimpleITK and nibabel differ about a NIfTI file: voxel size, place, values and units, each with both.

    Args:
        volume: as the run's reader gives it.

    Returns:
        What it is about → the sentence.
    """
    header = volume.header
    if header is None:
        return {}
    theirs = volume.properties.get("sitk_stuff")
    found = {"place": _geometry(theirs, header) if theirs else None}
    found |= {"units": _units(header), "scaling": _scaling(header)}
    return {kind: text for kind, text in found.items() if text}


def _geometry(theirs: Json, header: Any) -> str | None:
    """The voxel size and the place of the first voxel and of the axes."""
    itk, nib = list(theirs["spacing"][:3]), [float(size) for size in header.get_zooms()[:3]]
    if not np.allclose(itk, nib, rtol=1e-4):
        return f"SimpleITK reads voxels of {_by(itk)} mm, nibabel of {_by(nib)}"
    affine = header.get_best_affine()
    axes = len(theirs["spacing"])
    direction = np.array(theirs["direction"]).reshape(axes, axes)[:3, :3] * itk
    mine = np.column_stack([direction, theirs["origin"][:3]]) * np.array([[-1], [-1], [1]])
    if not np.allclose(mine, affine[:3], atol=0.1 * min(itk)):
        return (
            f"SimpleITK places the first voxel at {_place(mine[:, 3])} mm with axes {_axes(mine)}, nibabel at "
            f"{_place(affine[:3, 3])} with axes {_axes(affine)}: qform and sform differ or have no codes"
        )
    return None


def _units(header: Any) -> str | None:
    code = int(header["xyzt_units"]) & 7
    if code not in UNITS:
        return None
    name = "metres" if code == 1 else "micrometres"
    return f"its unit is {name}: SimpleITK converts to mm, nibabel does not"


def _scaling(header: Any) -> str | None:
    """A slope of 0 or an intercept that is no number, which mean nothing and which the libraries take differently."""
    if "scl_slope" not in header:
        return None
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 and intercept not in (0.0,) and math.isfinite(intercept):
        return f"its slope is 0 and its intercept {intercept:g}: SimpleITK adds the intercept, nibabel does not"
    if not math.isfinite(slope) or not math.isfinite(intercept):
        return f"its slope is {slope:g} and its intercept {intercept:g}: SimpleITK and nibabel may scale differently"
    return None


def _by(sizes: list[float]) -> str:
    return " × ".join(f"{size:g}" for size in sizes)


def _place(values: Any) -> str:
    return f"({', '.join(f'{value:.1f}' for value in values)})"


def _axes(affine: Any) -> str:
    import nibabel

    square = np.vstack([np.asarray(affine)[:3], [0, 0, 0, 1]])
    return "".join(map(str, nibabel.aff2axcodes(square)))
