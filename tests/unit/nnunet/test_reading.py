"""Cases that can't be used are refused with their file and the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from clbench.nnunet.labels import LabelScheme
from clbench.nnunet.reading import UnusableCase, read_case

DESCRIPTION = {"file_ending": ".nii.gz", "overwrite_image_reader_writer": "NibabelIO"}
SCHEME = LabelScheme({"lesion": (2,)}, {"organ": 1, "lesion": 2})


def write(path: Path, array: np.ndarray, spacing: float = 1.0) -> None:
    nibabel.save(nibabel.Nifti1Image(array, np.diag([spacing, spacing, spacing, 1.0])), path)


@pytest.fixture
def case(tmp_path: Path) -> tuple[Path, Path]:
    """Image and label of one case in which nothing is wrong."""
    rng = np.random.default_rng(0)
    image, label = tmp_path / "a_0000.nii.gz", tmp_path / "a.nii.gz"
    write(image, rng.normal(size=(9, 8, 7)).astype(np.float32))
    write(label, rng.integers(0, 3, (9, 8, 7)).astype(np.float32))
    return image, label


def read(case: tuple[Path, Path]):
    return read_case([str(case[0])], str(case[1]), DESCRIPTION, SCHEME)


def test_image_and_label_come_in_nnunets_axis_order_the_label_in_whole_numbers(case) -> None:
    raw = read(case)
    assert raw.images.shape == raw.label.shape == (1, 7, 8, 9)
    assert raw.present == (0, 1, 2)
    assert np.issubdtype(raw.label.dtype, np.signedinteger)
    np.testing.assert_array_equal(raw.label[0].transpose(2, 1, 0), nibabel.load(case[1]).get_fdata())


def _truncate(image: Path, label: Path) -> Path:
    image.write_bytes(image.read_bytes()[:-200])
    return image


def _missing(image: Path, label: Path) -> Path:
    label.unlink()
    return label


def _nan(image: Path, label: Path) -> Path:
    array = np.ones((9, 8, 7), dtype=np.float32)
    array[3, 3, 3] = np.nan
    write(image, array)
    return image


def _empty(image: Path, label: Path) -> Path:
    write(image, np.zeros((9, 8, 7), dtype=np.int16))
    return image


def _four_dimensional(image: Path, label: Path) -> Path:
    write(image, np.ones((9, 8, 7, 2), dtype=np.int16))
    return image


def _other_shape(image: Path, label: Path) -> Path:
    write(label, np.ones((9, 8, 6), dtype=np.uint8))
    return label


def _other_spacing(image: Path, label: Path) -> Path:
    write(label, np.ones((9, 8, 7), dtype=np.uint8), spacing=2.0)
    return label


def _strange_label(image: Path, label: Path) -> Path:
    write(label, np.full((9, 8, 7), 7, dtype=np.uint8))
    return label


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_truncate, "can't be used: can't be read, it may be truncated: "),
        (_missing, "can't be used: can't be read: No such"),
        (_nan, "not numbers or not finite"),
        (_empty, "is empty: every voxel is 0"), (_four_dimensional, "only 3d images are supported"),
        (_other_shape, "has 9 × 8 × 6 voxels where the image has 9 × 8 × 7"),
        (_other_spacing, r"has voxels of 2 × 2 × 2 mm where the image has 1 × 1 × 1 mm"),
        (_strange_label, "has 7 .504 voxels.; the label scheme has 0 .background., 1, 2"),
    ],
)  # fmt: skip
def test_a_damaged_case_is_refused_with_its_file_and_the_reason(
    case, damage: Callable[[Path, Path], Path], reason: str
) -> None:
    file = damage(*case)
    with pytest.raises(UnusableCase, match=reason) as caught:
        read(case)
    assert str(caught.value).startswith(f"{file}: ")
