"""Whatever goes wrong with one case names it, and no case is resampled to what no memory holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import brought
from clbench.data.dataset import RawCase
from clbench.definitions.models import TaskCard
from clbench.errors import ClbenchError
from clbench.job.case_work import UnusableTaskCase, look, prepare_case
from clbench.job.cases import CaseWork, TaskWork
from clbench.job.memory import naming_case
from clbench.nnunet.preprocessing import MOST_VOXELS, require_resamplable
from clbench.nnunet.reading import RawArrays, UnusableCase
from plans_document import DOCUMENT

PLANS = DOCUMENT | {"image_reader_writer": "SimpleITKIO", "configurations": {
    "3d_fullres": DOCUMENT["configurations"]["3d_fullres"]
}}  # fmt: skip


def work(folder: Path) -> tuple[TaskWork, CaseWork]:
    """One training case of a dataset, and its task."""
    source = {"kind": "nnunet", "dataset": str(folder)}
    card = TaskCard.model_validate(
        {"name": "mine", "version": 1, "title": "Mine", "source": source, "modality": "CT",
         "original_labels": {"organ": 1}, "labels": "separate"}
    )  # fmt: skip
    files = RawCase("pat_000", (folder / "imagesTr/pat_000_0000.nii.gz",), folder / "labelsTr/pat_000.nii.gz")
    case = CaseWork(files, training=True)
    description = json.loads((folder / "dataset.json").read_text())
    return TaskWork(card, "Dataset002_Mine", folder, description, (case,), "original", 100), case


def plans(**changes: Any) -> dict[str, Any]:
    return PLANS | {"configurations": {"3d_fullres": PLANS["configurations"]["3d_fullres"] | changes}}


@pytest.mark.parametrize("spacing", [[1e-4, 2.0, 2.0], [0.0015, 0.0013, 0.002], [12.0, 1e-9, 12.0]])
def test_a_case_that_no_memory_would_hold_is_refused_before_any_is_asked_for(tmp_path: Path, spacing: list) -> None:
    task, case = work(brought.dataset(tmp_path, "Dataset101_One", cases=1, shape=(64, 64, 64)))
    with pytest.raises(UnusableTaskCase, match=r"task mine, case pat_000: .*resampled from 64 × 64 × 64") as told:
        prepare_case(task, case, plans(spacing=spacing), tmp_path)
    assert "voxel size in its header" in str(told.value)


def test_the_bound_is_on_the_voxels_of_all_channels() -> None:
    def raw(channels: int) -> RawArrays:
        image = np.broadcast_to(np.float32(0), (channels, 1024, 1024, 1024))
        return RawArrays(image, image, {"spacing": [1.0, 1.0, 1.0]}, (0,))

    require_resamplable(raw(2), plans(spacing=[1.0, 1.0, 1.0]))
    assert MOST_VOXELS == 2 * 1024**3
    with pytest.raises(UnusableCase, match="voxels in all"):
        require_resamplable(raw(3), plans(spacing=[1.0, 1.0, 1.0]))


@pytest.mark.parametrize(
    "changes", [{"normalization_schemes": None}, {"resampling_fn_data": "nowhere"}, {"use_mask_for_norm": []}]
)
def test_what_nobody_foresaw_in_a_case_names_it(tmp_path: Path, changes: dict) -> None:
    task, case = work(brought.dataset(tmp_path, "Dataset101_One", cases=1))
    with pytest.raises(UnusableTaskCase, match=r"task mine, case pat_000: .*_0000.nii.gz: can't be prepared: \w+:"):
        prepare_case(task, case, plans(**changes), tmp_path)


def test_a_case_that_can_be_prepared_is(tmp_path: Path) -> None:
    task, case = work(brought.dataset(tmp_path, "Dataset101_One", cases=1))
    assert prepare_case(task, case, plans(spacing=[2.0, 1.25, 1.5]), tmp_path)


def test_a_file_that_was_damaged_since_is_named_with_its_case(tmp_path: Path) -> None:
    task, case = work(brought.dataset(tmp_path, "Dataset101_One", cases=1))
    case.files.images[0].write_bytes(b"nothing")
    with pytest.raises(UnusableTaskCase, match=r"task mine, case pat_000: .*: can't be used: .*Not a gzip"):
        look(task, case, tmp_path, tmp_path / "kept")


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("y"), ZeroDivisionError("z"), RuntimeError("w")])
def test_an_error_in_the_evaluation_of_a_case_names_it(error: Exception) -> None:
    words = f"task liver, case a: can't be evaluated: {type(error).__name__}"
    with pytest.raises(ClbenchError, match=words), naming_case("liver", "a"):
        raise error
    with pytest.raises(MemoryError), naming_case("liver", "a"):
        raise MemoryError
