"""Small nnU-Net raw datasets of one's own, with headers written byte by byte where a library would mend them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

SIDE = (12, 11, 10)
SPACING = (1.5, 1.25, 2.0)


def arrays(case: int, shape: tuple[int, ...] = SIDE, values: tuple[int, ...] = (1,)) -> tuple[np.ndarray, np.ndarray]:
    """An image with a bright block for each value, and its label; background is never 0."""
    rng = np.random.default_rng(case)
    image, label = rng.integers(10, 60, shape).astype(np.int16), np.zeros(shape, np.uint8)
    for place, value in enumerate(values):
        block = tuple(slice(size // 4 + place, size // 4 + 2 + place) for size in shape)
        image[block] += np.int16(200 + 100 * place)
        label[block] = value
    return image, label


def write(path: Path, array: np.ndarray, spacing: tuple[float, ...] = SPACING, affine: Any = None) -> None:
    """Save an image, with its axes along right, front and head unless an affine says otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([*spacing, 1.0]) if affine is None else affine), path)


def write_itk(path: Path, array: np.ndarray, like: Path | None = None) -> None:
    """Save an image as ITK does, in any of its formats, where another one lies or at the origin."""
    import SimpleITK

    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array.T))
    image.SetSpacing(SPACING)
    if like:
        image.CopyInformation(SimpleITK.ReadImage(str(like)))
    SimpleITK.WriteImage(image, str(path), True)


def write_header(
    path: Path, array: np.ndarray, qform: tuple[Any, int] = (None, 0), sform: tuple[Any, int] = (None, 0),
    **fields: Any,
) -> None:
    """A NIfTI file with exactly these codes and header fields; ``pixdim`` is for the first axes."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header["pixdim"][: len(SPACING) + 1] = [1, *SPACING]
    if qform[0] is not None:
        header.set_qform(*qform)
    if sform[0] is not None:
        header.set_sform(*sform)
    header["vox_offset"], header["magic"], header["xyzt_units"] = 352, b"n+1", 2
    header["scl_slope"], header["scl_inter"] = 1, 0
    if "pixdim" in fields:
        sizes = fields.pop("pixdim")
        header["pixdim"][1 : 1 + len(sizes)] = sizes
    for key, value in fields.items():
        header[key] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    content = header.binaryblock + b"\0" * 4 + array.tobytes(order="F")
    path.write_bytes(gzip.compress(content, 1) if path.name.endswith(".gz") else content)


def describe(folder: Path, labels: Mapping[str, Any] | None = None, cases: int = 6, **said: Any) -> None:
    """Write ``dataset.json``; a key whose value is None is left out."""
    content = {
        "channel_names": {"0": "CT"}, "labels": labels or {"background": 0, "organ": 1}, "numTraining": cases,
        "file_ending": ".nii.gz",
    } | said  # fmt: skip
    kept = {key: value for key, value in content.items() if value is not None}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")


def dataset(
    root: Path,
    name: str,
    cases: int = 6,
    names: tuple[str, ...] = (),
    shape: tuple[int, ...] = SIDE,
    spacing: tuple[float, ...] = SPACING,
    change: Callable[..., tuple[np.ndarray, np.ndarray]] = lambda case, image, label: (image, label),
    channels: tuple[str, ...] = ("CT",),
    labels: Mapping[str, Any] | None = None,
    **said: Any,
) -> Path:
    """Write ``root/NAME``; ``change`` alters a case's arrays, ``said`` keys of ``dataset.json``."""
    folder = root / name
    values = tuple(v for v in (labels or {"organ": 1}).values() if isinstance(v, int) and v)
    for case, id in enumerate(names or tuple(f"pat_{case:03d}" for case in range(cases))):
        image, label = change(case, *arrays(case, shape, values))
        for channel in range(len(channels)):
            write(folder / "imagesTr" / f"{id}_{channel:04d}.nii.gz", image + np.int16(channel), spacing)
        write(folder / "labelsTr" / f"{id}.nii.gz", label, spacing)
    said.setdefault("channel_names", {str(channel): one for channel, one in enumerate(channels)})
    describe(folder, labels, len(names) or cases, **said)
    return folder
