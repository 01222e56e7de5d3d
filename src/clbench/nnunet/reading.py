"""A raw case in memory, read by nnU-Net's own reader and checked before anything is computed from it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nnunetv2.imageio.base_reader_writer import BaseReaderWriter
from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_dataset_json

from clbench.errors import MissingEnvironment
from clbench.nnunet.labels import BadLabels, LabelScheme, whole_numbers


class UnusableCase(MissingEnvironment):
    """A raw case can't be read, or holds what can't be used; the message begins with the file."""


@dataclass
class RawArrays:
    """One case as nnU-Net's reader gives it.

    Attributes:
        images: ``(C, X, Y, Z)``, float32.
        label: ``(1, X, Y, Z)``, whole numbers of the source.
        properties: what the reader notes of the geometry.
        present: the numbers that occur in the label, ascending.
    """

    images: np.ndarray
    label: np.ndarray
    properties: dict[str, Any]
    present: tuple[int, ...]


def reader_of(dataset_json: dict[str, Any], example: str) -> BaseReaderWriter:
    """nnU-Net's reader for a dataset, which may differ from task to task."""
    return determine_reader_writer_from_dataset_json(dataset_json, example, verbose=False)()


def read_case(images: Sequence[str], label: str, dataset_json: dict[str, Any], scheme: LabelScheme) -> RawArrays:
    """Read one case with nnU-Net's reader.

    Args:
        images: one file per channel.
        label: the label file.
        dataset_json: the raw dataset's description, which names the reader.
        scheme: the numbers that may occur in the label.

    Raises:
        UnusableCase: a file is unreadable, holds no finite or no varying intensities or labels outside the
            scheme, or label and image do not lie on the same grid.
    """
    reader = reader_of(dataset_json, images[0])
    with _about(*images):
        data, properties = reader.read_images(list(images))
        _require_intensities(data)
    with _about(label):
        raw, geometry = reader.read_seg(label)
        _require_same_grid(data.shape, properties, raw.shape, geometry)
        whole, present = whole_numbers(raw)
        scheme.require_known(present)
    return RawArrays(data, whole, properties, present)


@contextlib.contextmanager
def _about(*files: str) -> Iterator[None]:
    """Say which files an error is about; what nnU-Net prints on the way goes with it."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            yield
    except BadLabels as error:
        raise UnusableCase(f"{files[0]}: {error}") from error
    except MemoryError:
        raise
    except Exception as error:  # readers raise whatever the library below them does
        reason = str(error).strip() or said.getvalue().splitlines()[:1] or type(error).__name__
        raise UnusableCase(f"{', '.join(files)}: can't be used: {reason}") from error


def _require_intensities(data: np.ndarray) -> None:
    low, high = float(data.min()), float(data.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise ValueError("holds values that are not finite numbers (NaN or infinity)")
    if low == high:
        raise ValueError(f"is empty: every voxel is {low:g}")


def _require_same_grid(
    shape: tuple[int, ...], properties: dict[str, Any], label: tuple[int, ...], geometry: dict[str, Any]
) -> None:
    if shape[1:] != label[1:]:
        raise ValueError(f"has {_size(label[1:])} voxels where the image has {_size(shape[1:])}")
    if not np.allclose(properties["spacing"], geometry["spacing"], rtol=1e-3):
        ours, theirs = (" × ".join(f"{s:.4g}" for s in p["spacing"]) for p in (geometry, properties))
        raise ValueError(f"has a spacing of {ours} mm where the image has {theirs} mm")


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
