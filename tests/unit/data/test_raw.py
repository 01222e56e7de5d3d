"""Raw datasets as nnU-Net reads them."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import nibabel
import numpy as np
import pytest

from clbench.data.generate import generate_case
from clbench.data.raw import (
    case_id,
    dataset_name,
    image_path,
    label_path,
    nifti,
    write_case,
    write_description,
)
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import TaskCard
from clbench.store import file_digest


def write_dataset(folder: Path, card: TaskCard, indices: tuple[int, ...]) -> tuple[str, ...]:
    """Cases and description, one after another."""
    names = tuple(write_case(folder, card, index) for index in indices)
    write_description(folder, card, len(names))
    return names


def digests_in(folder: Path) -> dict[str, str]:
    """SHA-256 of every file by its relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): file_digest(path) for path in files}


@pytest.fixture(scope="module")
def kidney() -> TaskCard:
    """A card that merges three original labels."""
    return Catalogue.open().task("mini-kidney")


def test_a_dataset_has_the_layout_that_nnunet_expects(tmp_path: Path, kidney: TaskCard) -> None:
    assert write_dataset(tmp_path, kidney, (3, 11)) == ("kidney_003", "kidney_011")
    assert set(digests_in(tmp_path)) == {
        "dataset.json",
        "imagesTr/kidney_003_0000.nii",
        "imagesTr/kidney_011_0000.nii",
        "labelsTr/kidney_003.nii",
        "labelsTr/kidney_011.nii",
    }
    description = json.loads((tmp_path / "dataset.json").read_text())
    assert description["labels"] == {"background": 0, "kidney": 1, "tumour": 2, "cyst": 3}
    assert description["channel_names"] == {"0": "CT"}
    assert description["numTraining"] == 2
    assert description["file_ending"] == ".nii"


def test_files_hold_the_generated_case_with_its_spacing(tmp_path: Path, kidney: TaskCard) -> None:
    write_case(tmp_path, kidney, 3)
    case = generate_case(kidney, 3)
    image = nibabel.load(image_path(tmp_path, "kidney_003"))
    label = nibabel.load(label_path(tmp_path, "kidney_003"))
    assert np.array_equal(np.asanyarray(image.dataobj), case.image)
    assert np.array_equal(np.asanyarray(label.dataobj), case.label)
    for file in (image, label):
        assert file.header.get_zooms() == pytest.approx(case.spacing)
        assert nibabel.aff2axcodes(file.affine) == ("R", "A", "S")


def test_worker_processes_write_the_same_bytes(tmp_path: Path, kidney: TaskCard) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write_dataset(here, kidney, (0, 1))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(partial(write_case, there, kidney), (0, 1))) == ["kidney_000", "kidney_001"]
    written = digests_in(here)
    del written["dataset.json"]
    assert digests_in(there) == written


def test_a_nifti_files_bytes_are_the_recorded_ones() -> None:
    data = nifti(np.arange(24, dtype="<i2").reshape(2, 3, 4), (1.0, 2.0, 3.0))
    assert hashlib.sha256(data).hexdigest() == "21a2b3212027b47465056ca177d2bdb20f2bb9c4489c71d7e04b4ecca17bc8a0"


def test_names_follow_the_task(kidney: TaskCard) -> None:
    assert case_id(kidney, 7) == "kidney_007"
    assert dataset_name(kidney, 3) == "Dataset003_MiniKidney"


def test_nothing_half_written_is_left_behind(tmp_path: Path, kidney: TaskCard) -> None:
    write_dataset(tmp_path, kidney, (0,))
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
