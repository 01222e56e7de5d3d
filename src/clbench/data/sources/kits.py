"""KiTS21 and KiTS23: a folder a case, ``case_NNNNN/imaging.nii.gz`` and the label beside it.

The files are stored slices first, so nnU-Net must read them with the reader that turns them: its own conversion
of KiTS23 says so too.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from clbench.data.dataset import RawCase
from clbench.data.sources.tree import Tree, gathered
from clbench.definitions.places import DataPlaces
from clbench.definitions.sources import KitsSource

IMAGE = "imaging.nii.gz"
LABELS = {"kits21": "aggregated_MAJ_seg.nii.gz", "kits23": "segmentation.nii.gz"}
"""The reference of an edition; of KiTS21, the majority vote over each voxel."""
NAMES = {"kits21": "Dataset135_KiTS2021", "kits23": "Dataset220_KiTS2023"}
READER = "NibabelIOWithReorient"
CASE = re.compile(r"case_(\d{5})")


def locate(source: KitsSource, places: DataPlaces) -> Path | None:
    """The folder whose case folders hold labels of this edition, images too or not yet."""
    return places.find(lambda folder: _has_labels(folder, LABELS[source.kind]))


def _has_labels(folder: Path, label: str) -> bool:
    with os.scandir(folder) as entries:
        return any(CASE.fullmatch(entry.name) and (folder / entry.name / label).is_file() for entry in entries)


def has_images(source: KitsSource, folder: Path) -> bool:
    """Whether any image was brought beside the labels, which are all that the repository has."""
    return any((case / IMAGE).is_file() for case in case_folders(folder))


def tree(source: KitsSource, folder: Path) -> Tree:
    """The cases that have a folder."""
    label = LABELS[source.kind]
    found = [RawCase(case.name, (case / IMAGE,), case / label) for case in case_folders(folder)]
    cases, problems = gathered((case, []) for case in found)
    return Tree(folder, NAMES[source.kind], tuple(cases), tuple(problems), reader=READER)


def case_folders(folder: Path) -> list[Path]:
    """The folders of the cases, sorted."""
    return sorted(entry for entry in folder.iterdir() if CASE.fullmatch(entry.name) and entry.is_dir())
