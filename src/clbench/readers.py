"""Image files read by nnU-Net's own readers: one choice and one way of reading for checks, planning and training."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clbench.inflate import gzip_end, inflating

MOST = 2**33
"""Bytes that a compressed image may unpack to."""
HEAD = 2**16
"""Bytes of a NIfTI file that its header lies in."""
SLAB = 2**20
"""Voxels that are looked at together."""
MIN_OFFSET = 348
NIFTI = (".nii", ".nii.gz")
ITK, NIBABEL, TIFF = "SimpleITKIO", "NibabelIO", "Tiff3DIO"
MODULES = {
    ITK: "simpleitk_reader_writer",
    "SimpleITKIOWithReorient": "simpleitk_reader_writer",
    NIBABEL: "nibabel_reader_writer",
    "NibabelIOWithReorient": "nibabel_reader_writer",
    TIFF: "tif_reader_writer",
}
"""nnU-Net's readers of three-dimensional images, and their modules in ``nnunetv2.imageio``."""
BY_ENDING = {
    ".nii.gz": ITK, ".nrrd": ITK, ".mha": ITK, ".gipl": ITK, ".nii": NIBABEL, ".tif": TIFF, ".tiff": TIFF,
}  # fmt: skip
"""The first of nnU-Net's readers for each ending; its reader of two-dimensional images is left out."""
Float = npt.NDArray[np.float32]


class Unreadable(ValueError):
    """A file can't be read; the message is the reason, without the file's name."""


@dataclass(frozen=True)
class Volume:
    """A file as nnU-Net's reader gives it.

    Attributes:
        values: ``(1, Z, Y, X)``, float32, scaled; another first axis where the file holds more than one volume.
        properties: what the reader notes of the geometry.
        sha256: of the file's bytes.
        header: of a NIfTI file, read by nibabel; None for other formats.
        odd: one of the values in a NIfTI file that are not finite, if there are; ITK reads them as 0.
    """

    values: Float
    properties: dict[str, Any]
    sha256: str
    header: Any = None
    odd: float | None = None


def chosen_reader(description: Mapping[str, Any]) -> str:
    """The name of the reader for a dataset: the one that it asks for, or nnU-Net's first one for its files' ending.

    nnU-Net itself would try to read an example, so that the reader of all files depended on which file comes first.

    Args:
        description: ``dataset.json``, of which ``overwrite_image_reader_writer`` and ``file_ending`` are looked at.

    Raises:
        ValueError: there is no such reader, or none for the ending; key and value are named.
    """
    asked, ending = description.get("overwrite_image_reader_writer"), str(description.get("file_ending", ""))
    if asked not in (None, "None"):
        if asked not in MODULES and _own_reader(str(asked)) is None:
            known = ", ".join(MODULES)
            raise ValueError(f"overwrite_image_reader_writer: nnU-Net has no reader {asked!r}; it has {known}")
        return str(asked)
    if ending.lower() not in BY_ENDING:
        known = ", ".join(BY_ENDING)
        raise ValueError(f"file_ending: none of nnU-Net's 3-D readers reads {ending!r} files; they read {known}")
    return BY_ENDING[ending.lower()]


def reader(name: str) -> Any:
    """An instance of a reader that ``chosen_reader`` named."""
    if name in MODULES:
        return getattr(import_module(f"nnunetv2.imageio.{MODULES[name]}"), name)()
    return _own_reader(name)()


def _own_reader(name: str) -> Any:
    """A reader that somebody put into nnU-Net's package; None if there is none."""
    from nnunetv2.imageio.reader_writer_registry import recursive_find_reader_writer_by_name

    try:
        return recursive_find_reader_writer_by_name(name)
    except RuntimeError:
        return None


def voxel_size_file(path: Path, label: bool) -> Path | None:
    """The JSON file that nnU-Net's TIFF reader takes a file's voxel size from; None for other formats."""
    found = re.fullmatch(r"(.*)\.tiff?", path.name, flags=re.IGNORECASE)
    return path.with_name(f"{found[1] if label else found[1][:-5]}.json") if found else None


def read_volume(name: str, path: Path, label: bool) -> Volume:
    """Read a file with one of nnU-Net's readers.

    A compressed NIfTI file is unpacked to its end first, so that its own checksum is compared: ITK reads half a file
    without a word.

    Args:
        name: the reader.
        path: the file.
        label: whether it is a label; readers may treat them differently.

    Raises:
        Unreadable: it is truncated, too large, or no such file.
        MemoryError: it does not fit into memory.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"can't be read: {error.strerror or error}") from error
    if not data:
        raise Unreadable("can't be read, it may be truncated: it is empty")
    checksum = hashlib.sha256(data).hexdigest()
    if not path.name.lower().endswith(NIFTI):
        return Volume(*_read(name, path, label), checksum)
    packed = path.name.lower().endswith(".gz")
    head = _first_bytes(data) if packed else data[:HEAD]
    header, needed = _nifti_header(head)
    if packed and needed > MOST:
        raise Unreadable(f"can't be read: it unpacks to more than {MOST / 2**30:g} GiB, the most that is read")
    ends_well = packed and gzip_end(data)[1] == needed & 0xFFFFFFFF
    _require_length(needed, len(data) if not packed else needed if ends_well else _length(data))
    values, properties = _read(name, path, label)
    if ends_well and _is_whole(data, head, header, values):
        return Volume(values, properties, checksum, header)
    content = _unpacked(data, header) if packed else data
    return Volume(values, properties, checksum, header, _not_finite(content, header))


def _read(name: str, path: Path, label: bool) -> tuple[Float, dict[str, Any]]:
    """What the reader returns; what it prints is part of the reason if it fails."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), _without_warnings():
            one = reader(name)
            values, properties = one.read_seg(str(path)) if label else one.read_images([str(path)])
            return values, properties
    except MemoryError:
        raise
    except Exception as error:  # readers raise whatever the library below them does
        reason = _last_line(str(error)) or _last_line(said.getvalue()) or type(error).__name__
        raise Unreadable(f"nnU-Net's {name} can't read it: {reason.replace(f'{path}', 'the file')}") from error


def _last_line(text: str) -> str:
    """The end of a message is where libraries say the reason."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][-300:] if lines else ""


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep ITK's warnings from standard error; what they are about is checked and said by file."""
    import SimpleITK

    before = SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        SimpleITK.ProcessObject.SetGlobalWarningDisplay(before)


def _first_bytes(data: bytes) -> bytes:
    """The first bytes of what a gzip file holds, in which a NIfTI header lies."""
    with _gzip_errors():
        return next(inflating(data, MOST), b"")[:HEAD]


def _length(data: bytes) -> int:
    """How many bytes a gzip file holds, each of which is unpacked for it."""
    with _gzip_errors():
        return sum(map(len, inflating(data, MOST)))


@contextlib.contextmanager
def _gzip_errors() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        words = "can't be read, it may be truncated" if "ended before" in str(error) else "can't be read"
        raise Unreadable(f"{words}: {error}") from error


def _is_whole(data: bytes, head: bytes, header: Any, values: Float) -> bool:
    """Whether the values that were read are the bytes whose checksum ends a gzip file.

    It spares unpacking the file a second time. Where it says no, as for scaled values, that says nothing.

    Args:
        data: the file's bytes.
        head: the first bytes that they unpack to.
        header: the NIfTI header in them.
        values: what was read, in the file's order unless the reader turned it.
    """
    stored_as, offset = header.get_data_dtype(), int(header["vox_offset"])
    if not MIN_OFFSET <= offset <= len(head) or math.prod(header.get_data_shape()) != values.size:
        return False
    checksum = zlib.crc32(head[:offset])
    with np.errstate(invalid="ignore"):  # what does not fit the type has another checksum
        for layer in values.reshape(-1, *values.shape[-2:]):  # which a processor's cache holds
            checksum = zlib.crc32(np.ascontiguousarray(layer, stored_as).reshape(-1).view(np.uint8).data, checksum)
    return checksum == gzip_end(data)[0]


def _nifti_header(head: bytes) -> tuple[Any, int]:
    """The header of a NIfTI file, and how many bytes the file needs to hold what it claims.

    Args:
        head: the first bytes of the file.

    Raises:
        Unreadable: it is no NIfTI file, or a voxel size is none.
    """
    import nibabel

    size = {struct.unpack(order, head[:4])[0] for order in ("<i", ">i")} if len(head) >= 348 else set()
    if not size & {348, 540}:
        raise Unreadable("can't be read: it is no NIfTI file")
    try:
        kind = nibabel.Nifti2Header if 540 in size else nibabel.Nifti1Header
        header = kind(head[: kind.sizeof_hdr], check=False)
        needed = int(header["vox_offset"]) + math.prod(header.get_data_shape()) * header.get_data_dtype().itemsize
    except Exception as error:  # nibabel raises anything at a broken header
        raise Unreadable(f"has a broken NIfTI header: {_last_line(str(error)) or type(error).__name__}") from error
    if 0 in header.get_data_shape():
        raise Unreadable("has no voxels")
    _require_voxel_size(header)
    return header, needed


def _require_length(needed: int, length: int) -> None:
    """Refuse a file before a reader makes room for all that its header claims.

    Raises:
        Unreadable: it is shorter than its header claims.
    """
    if needed > length:
        raise Unreadable(f"can't be read, it may be truncated: Expected {needed} bytes by its header, got {length}")


def _unpacked(data: bytes, header: Any) -> bytes:
    """What a gzip file holds, once it is sure that it is whole; nothing but the check where only that matters."""
    if header.get_data_dtype().kind != "f":
        _length(data)
        return b""
    with _gzip_errors():
        return b"".join(inflating(data, MOST))


def _not_finite(content: bytes, header: Any) -> float | None:
    """One of the stored values that are not finite numbers; None if all are."""
    if header.get_data_dtype().kind != "f":
        return None
    count = math.prod(header.get_data_shape())
    stored = np.frombuffer(content, header.get_data_dtype(), count, int(header["vox_offset"]))
    for start in range(0, len(stored), SLAB):
        slab = stored[start : start + SLAB]
        finite = np.isfinite(slab)
        if not finite.all():
            return float(slab[~finite][0])
    return None


def _require_voxel_size(header: Any) -> None:
    """Refuse sizes that readers silently take for something else: ITK takes 0 for 1 mm.

    Raises:
        Unreadable: one of the first three is not above 0.
    """
    sizes = [float(size) for size in header["pixdim"][1:4]]
    if len(header.get_data_shape()) >= 3 and not all(math.isfinite(size) and size > 0 for size in sizes):
        raise Unreadable(f"has the voxel size {' × '.join(f'{size:g}' for size in sizes)}; each must be above 0 mm")
    affine = header.get_best_affine()
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) == 0:
        raise Unreadable("has an affine that maps no grid: a column is 0 or no number")
