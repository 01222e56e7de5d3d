"""The real CT anatomy that every embedded case is deformed from, verified whenever it is read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from clbench.definitions.catalogue import shipped_root
from clbench.errors import MissingEnvironment

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FILE_NAME = "anatomy.npz"
CHECKSUM_NAME = "anatomy.sha256"
SCENES = ("abdomen", "lung1", "lung2")
REMEDY = "restore it with `git checkout -- tasks/anatomy`, or reinstall clbench"


@dataclass(frozen=True)
class Scene:
    """One CT. Axes: x to the patient's right, y to the front, z to the head."""

    hu: npt.NDArray[np.int16]
    """Intensities in HU."""
    organs: npt.NDArray[np.uint8]
    """Number of the organ that a voxel belongs to, 0 for none; as large as ``hu``."""
    spacing: tuple[float, float, float]
    """Voxel size in mm."""


@dataclass(frozen=True)
class Anatomy:
    """Everything in ``anatomy.npz``."""

    organs: Mapping[str, int]
    """Organ's name → its number in the scenes."""
    scenes: Mapping[str, Scene]
    """The CTs by name."""


def anatomy_file() -> Path:
    """Where the file is: below the shipped tasks, whichever way clbench is installed.

    Raises:
        MissingEnvironment: the shipped folders are missing.
    """
    return shipped_root() / "tasks" / "anatomy" / FILE_NAME


def expected_sha256(path: Path) -> str:
    """The checksum that is recorded beside the anatomy file; cheap, for hashing into a job's identity.

    Raises:
        MissingEnvironment: the record is missing or not a checksum.
    """
    record = path.with_name(CHECKSUM_NAME)
    try:
        words = record.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise MissingEnvironment(f"{record}: cannot read the checksum ({error}); {REMEDY}") from error
    if not words or len(words[0]) != 64 or set(words[0]) - set("0123456789abcdef"):
        raise MissingEnvironment(f"{record}: no sha256 of {FILE_NAME} in it; {REMEDY}")
    return words[0]


def checked_bytes(path: Path) -> bytes:
    """Read the file and compare it with its checksum.

    Raises:
        MissingEnvironment: it is missing, or not the file that was recorded.
    """
    expected = expected_sha256(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingEnvironment(f"{path}: {error.strerror}, expected sha256 {expected}; {REMEDY}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        message = f"{path}: changed or truncated, {len(data)} bytes with sha256 {found}, expected {expected}"
        raise MissingEnvironment(f"{message}; {REMEDY}")
    return data


def load_anatomy(path: Path) -> Anatomy:
    """Read and verify an anatomy file.

    Raises:
        MissingEnvironment: it is missing, or not the file that was recorded.
    """
    import numpy as np

    with np.load(io.BytesIO(checked_bytes(path))) as arrays:
        organs = {str(name): number for number, name in enumerate(arrays["organs"], start=1)}
        scenes = {
            name: Scene(arrays[f"{name}_hu"], arrays[f"{name}_organs"], _three(arrays[f"{name}_spacing"]))
            for name in SCENES
        }
    return Anatomy(organs, scenes)


@cache
def shipped_anatomy() -> Anatomy:
    """The anatomy that comes with clbench, read once a process."""
    return load_anatomy(anatomy_file())


def _three(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
