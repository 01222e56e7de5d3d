"""A raw case in memory, read by nnU-Net's own reader and checked before anything is computed from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.imageio.base_reader_writer import BaseReaderWriter

from clbench.data.dataset import RawCase
from clbench.data.examine import case_problems
from clbench.data.imaging import facts_of, unreadable
from clbench.errors import MissingEnvironment
from clbench.nnunet.labels import BadLabels, LabelScheme, whole_numbers
from clbench.readers import Unreadable, Volume, chosen_reader, read_volume, reader
from clbench.store import Json


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


def reader_of(dataset_json: dict[str, Any]) -> BaseReaderWriter:
    """nnU-Net's reader for a dataset, which may differ from task to task."""
    found: BaseReaderWriter = reader(chosen_reader(dataset_json))
    return found


def read_case(images: Sequence[str], label: str, dataset_json: dict[str, Any], scheme: LabelScheme) -> RawArrays:
    """Read one case with nnU-Net's reader, and hold it to the same rules as ``clbench data prepare``.

    Args:
        images: one file per channel.
        label: the label file.
        dataset_json: the raw dataset's description, which names the reader.
        scheme: the numbers that may occur in the label.

    Raises:
        UnusableCase: a file is unreadable, holds no finite or no varying intensities or labels outside the
            scheme, or label and image do not lie on the same grid.
        MemoryError: a file does not fit into memory.
    """
    name = chosen_reader(dataset_json)
    case = RawCase("", tuple(map(Path, images)), Path(label))
    read = [_read(name, path, is_label=path is case.label) for path in (*case.images, case.label)]
    found = [facts for _, facts in read]
    wrong = case_problems(case, found, scheme.originals.values())
    problems = [f"{problem.file}: can't be used: {problem.message}" for problem in wrong]
    volumes = [volume for volume, _ in read if volume]
    if problems or len(volumes) < len(read):
        raise UnusableCase("; ".join(problems))
    del read
    try:
        whole, present = whole_numbers(volumes.pop().values)
        scheme.require_known(present)
    except BadLabels as error:
        raise UnusableCase(f"{label}: {error}") from error
    first = volumes[0].properties
    return RawArrays(np.concatenate([volume.values for volume in volumes]), whole, first, present)


def _read(name: str, path: Path, is_label: bool) -> tuple[Volume | None, Json]:
    """A file's content and the facts about it, or why there is none."""
    try:
        volume = read_volume(name, path, is_label)
        return volume, facts_of(volume, path, is_label)
    except Unreadable as error:
        return None, unreadable(error)
