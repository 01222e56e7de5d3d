"""Cases as an nnU-Net v2 raw dataset: ``DatasetNNN_Name/{imagesTr,labelsTr,dataset.json}``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clbench.data.generate import AnatomyCard, generate_case
from clbench.store import Json, write_atomic

FILE_ENDING = ".nii"  # not compressed: the bytes of a gzip file depend on the zlib that wrote it
READER = "NibabelIO"  # SimpleITKIO does not list plain .nii


def case_id(card: AnatomyCard, index: int) -> str:
    """A case's name, such as ``liver_007`` for the task ``mini-liver``."""
    return f"{card.name.rpartition('-')[2]}_{index:03d}"


def case_index(case: str) -> int:
    """The number of a case that ``case_id`` named."""
    return int(case.rpartition("_")[2])


def dataset_name(card: AnatomyCard, number: int) -> str:
    """The dataset's folder, such as ``Dataset003_MiniLiver``."""
    return f"Dataset{number:03d}_{''.join(part.capitalize() for part in card.name.split('-'))}"


def image_path(folder: Path, case: str) -> Path:
    """Where a dataset keeps a case's image."""
    return folder / "imagesTr" / f"{case}_0000{FILE_ENDING}"


def label_path(folder: Path, case: str) -> Path:
    """Where a dataset keeps a case's label."""
    return folder / "labelsTr" / f"{case}{FILE_ENDING}"


def dataset_json(card: AnatomyCard, cases: int) -> Json:
    """The description that nnU-Net wants beside the cases, with the card's original numbers."""
    return {
        "name": card.name,
        "channel_names": {"0": "CT"},
        "labels": {"background": 0} | dict(card.original_labels),
        "numTraining": cases,
        "file_ending": FILE_ENDING,
        "overwrite_image_reader_writer": READER,
    }


def write_case(folder: Path, card: AnatomyCard, index: int) -> str:
    """Generate one case, labelled in the card's original numbers, and return its id.

    Each file appears whole or not at all.
    """
    case, name = generate_case(card, index), case_id(card, index)
    write_atomic(image_path(folder, name), nifti(case.image, case.spacing))
    write_atomic(label_path(folder, name), nifti(case.label, case.spacing))
    return name


def write_description(folder: Path, card: AnatomyCard, cases: int) -> None:
    """Write ``dataset.json``, last, when all cases are there."""
    write_atomic(folder / "dataset.json", (json.dumps(dataset_json(card, cases), indent=2) + "\n").encode())


def nifti(array: npt.NDArray[np.generic], spacing: tuple[float, float, float]) -> bytes:
    """A NIfTI-1 file with axes along right, front, head and the origin in the first voxel."""
    import nibabel

    image = nibabel.Nifti1Image(array, np.diag([*spacing, 1.0]))
    image.header.set_xyzt_units("mm")
    return bytes(image.to_bytes())
