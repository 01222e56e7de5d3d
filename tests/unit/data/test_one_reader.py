"""Data are checked with the reader that the run uses: both accept the same cases, and agree on what is in them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_dataset_json

import brought
from clbench.data.dataset import RawDataset
from clbench.data.prepare import prepare
from clbench.data.problems import BadData
from clbench.definitions.models import TaskCard
from clbench.definitions.places import DataPlaces
from clbench.errors import MissingEnvironment
from clbench.nnunet.labels import LabelScheme
from clbench.nnunet.reading import UnusableCase, read_case
from clbench.readers import chosen_reader

GRID = np.diag([*brought.SPACING, 1.0])
IN_METRES = [size / 1000 for size in brought.SPACING]
SCHEME = LabelScheme({"organ": (1,)}, {"organ": 1})


def card_of(folder: Path, **said: Any) -> TaskCard:
    source = {"kind": "nnunet", "dataset": str(folder)}
    content = {"name": "mine", "version": 1, "title": "Mine", "source": source, "modality": "CT"}
    return TaskCard.model_validate(content | {"original_labels": {"organ": 1}, "labels": "separate"} | said)


def prepared(folder: Path, root: Path) -> RawDataset:
    return prepare(card_of(folder), DataPlaces(root), processes=1)


def pair(folder: Path, ending: str = ".nii.gz", **said: Any) -> tuple[Path, Path]:
    """Where the one case of a dataset lies, which is described."""
    brought.describe(folder, cases=1, file_ending=ending, **said)
    return folder / f"imagesTr/a_0000{ending}", folder / f"labelsTr/a{ending}"


def manifest(root: Path) -> dict:
    return json.loads((root / "prepared/mine/manifest.json").read_text())


def by_nnunet(folder: Path, image: Path, label: Path) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """What nnU-Net's own choice of a reader gives."""
    description = json.loads((folder / "dataset.json").read_text())
    reader = determine_reader_writer_from_dataset_json(description, str(image), verbose=False)()
    images, properties = reader.read_images([str(image)])
    return images, reader.read_seg(str(label))[0], list(map(float, properties["spacing"]))


def assert_agreement(folder: Path, image: Path, label: Path, root: Path) -> bool:
    """``prepare`` accepts what the run reads, and both agree with nnU-Net; whether it was accepted."""
    description = json.loads((folder / "dataset.json").read_text())
    try:
        prepared(folder, root)
    except BadData as error:
        refused = error
    else:
        refused = None
    if refused:
        with pytest.raises(UnusableCase) as caught:
            read_case([str(image)], str(label), description, SCHEME)
        assert all(problem.message in str(caught.value) for problem in refused.problems)
        return False
    run = read_case([str(image)], str(label), description, SCHEME)
    images, labels, spacing = by_nnunet(folder, image, label)
    np.testing.assert_array_equal(run.images, images)
    np.testing.assert_array_equal(run.label, labels)
    (case,) = manifest(root)["cases"].values()
    assert case["shape"] == list(images.shape[1:])[::-1]
    np.testing.assert_allclose(case["spacing"], spacing[::-1], atol=1e-6)
    values, counts = np.unique(labels, return_counts=True)
    assert case["labels"] == {str(int(v)): int(n) for v, n in zip(values, counts, strict=True)}
    return True


def turned(which: int, flips: tuple[bool, ...], oblique: float) -> np.ndarray:
    """An affine with permuted, flipped and slightly turned axes."""
    order = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)][which]
    rotation = np.eye(3)[:, order] * [-1 if flip else 1 for flip in flips]
    turn = np.array([[np.cos(oblique), -np.sin(oblique), 0], [np.sin(oblique), np.cos(oblique), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ rotation * brought.SPACING
    affine[:3, 3] = (-20, 5, 300)
    return affine


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    which=st.integers(0, 5), flips=st.tuples(*[st.booleans()] * 3), oblique=st.sampled_from([0.0, 0.2, 1.0]),
    codes=st.tuples(st.integers(0, 2), st.integers(0, 2)), units=st.sampled_from([0, 1, 2, 3]),
    slope=st.sampled_from([1.0, 0.0, 2.5]), inter=st.sampled_from([0.0, -7.0]),
    dtype=st.sampled_from(["<i2", "<u2", "<i4", "<f4", "<f8", ">i2"]), labelled=st.sampled_from(["u1", "<i2", "<f4"]),
    ending=st.sampled_from([".nii.gz", ".nii", ".nrrd", ".mha"]), moved=st.sampled_from([0.0, 0.0, 0.0, 40.0]),
)  # fmt: skip
def test_prepare_accepts_exactly_what_the_run_reads_and_both_agree_with_nnunet(
    tmp_path_factory: pytest.TempPathFactory, which: int, flips: tuple[bool, ...], oblique: float,
    codes: tuple[int, int], units: int, slope: float, inter: float, dtype: str, labelled: str, ending: str,
    moved: float,
) -> None:  # fmt: skip
    root = tmp_path_factory.mktemp("pair")
    folder = root / "Dataset101_One"
    image, label = pair(folder, ending)
    values, numbers = brought.arrays(0)
    affine, other = (turned(which, flips, oblique) for _ in range(2))
    other[0, 3] += moved
    if ending.startswith(".nii"):
        scale = {"scl_slope": slope, "scl_inter": inter}
        brought.write_header(
            image, values.astype(dtype), (affine, codes[0]), (affine, codes[1]), xyzt_units=units, **scale
        )
        brought.write_header(label, numbers.astype(labelled), (other, codes[0]), (other, codes[1]), xyzt_units=units)
    else:
        brought.write_itk(image, values.astype(dtype.replace(">", "<")))
        brought.write_itk(label, numbers.astype(labelled))

    accepted = assert_agreement(folder, image, label, root)

    assert accepted == (not moved or not ending.startswith(".nii") or codes == (0, 0))


def _sheared(case: Path) -> np.ndarray:
    tilt = np.eye(4)
    tilt[0, 1] = 0.02
    return GRID @ tilt


Write = Callable[[Path, np.ndarray], None]
VALID: dict[str, tuple[Write, Write | None]] = {
    "qform and sform differ, the label is ITK's": (
        lambda path, array: brought.write_header(path, array, (GRID, 1), (GRID + np.eye(4, k=3) * 30, 2)),
        None,
    ),
    "no codes, the label is ITK's": (lambda path, array: brought.write_header(path, array), None),
    "in metres": (
        lambda path, array: brought.write_header(path, array, xyzt_units=1, pixdim=IN_METRES),
        None,
    ),
    "an intercept that is no number": (
        lambda path, array: brought.write_header(path, array, (GRID, 1), (GRID, 1)),
        lambda path, array: brought.write_header(path, array, (GRID, 1), (GRID, 1), scl_inter=float("nan")),
    ),
    "a fourth axis of one": (
        lambda path, array: brought.write_header(path, array[..., None], (GRID, 1), (GRID, 1)),
        lambda path, array: brought.write_header(path, array, (GRID, 1), (GRID, 1)),
    ),
    "a slope of 0 and an intercept in the image": (
        lambda path, array: brought.write_header(path, array, (GRID, 1), (GRID, 1), scl_slope=0, scl_inter=-1024),
        lambda path, array: brought.write_header(path, array, (GRID, 1), (GRID, 1)),
    ),
}  # fmt: skip
"""How the image is written, and the label; None stands for ITK, which copies the image's geometry."""


@pytest.mark.parametrize("name", VALID)
def test_a_valid_pair_with_an_unusual_header_is_taken_as_nnunet_takes_it(tmp_path: Path, name: str) -> None:
    image, label = pair(tmp_path / "Dataset101_One")
    values, numbers = brought.arrays(0)
    VALID[name][0](image, values)
    if write_label := VALID[name][1]:
        write_label(label, numbers)
    else:
        brought.write_itk(label, numbers, like=image)
    assert assert_agreement(tmp_path / "Dataset101_One", image, label, tmp_path)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path, array: brought.write_header(path, array, sform=(_sheared(path), 1)), "orthonormal"),
        (lambda path, array: brought.write_header(path, array, (GRID, 1), scl_slope=0, scl_inter=5), "has 5 ("),
        (lambda path, array: brought.write_header(path, array, (GRID, 1), scl_slope=0.5, scl_inter=0), "not 0.5"),
    ],
)  # fmt: skip
def test_a_label_that_the_run_reads_otherwise_is_refused_by_both(
    tmp_path: Path, write: Callable[[Path, np.ndarray], None], words: str
) -> None:
    image, label = pair(tmp_path / "Dataset101_One")
    values, numbers = brought.arrays(0)
    brought.write(image, values)
    write(label, numbers)
    assert not assert_agreement(tmp_path / "Dataset101_One", image, label, tmp_path)
    with pytest.raises(BadData) as caught:
        prepared(tmp_path / "Dataset101_One", tmp_path)
    assert {problem.file for problem in caught.value.problems} == {label}
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"xyzt_units": 1, "pixdim": [1.5e-3, 1.25e-3, 2e-3]}, "SimpleITK converts to mm, nibabel does not"),
        ({"scl_slope": 0, "scl_inter": -1024}, "slope is 0 and its intercept -1024: SimpleITK adds the intercept"),
        ({}, "SimpleITK places the first voxel at (-0.0, -0.0, 0.0) mm with axes LPS, nibabel at "),
    ],
)
def test_where_the_readers_differ_it_is_said_with_both(tmp_path: Path, fields: dict, words: str) -> None:
    image, label = pair(tmp_path / "Dataset101_One")
    values, numbers = brought.arrays(0)
    brought.write_header(image, values, **fields)
    brought.write_itk(label, numbers)
    notes = prepared(tmp_path / "Dataset101_One", tmp_path).notes
    assert [note for note in notes if words in note and "image of case a" in note]


@pytest.mark.parametrize("size", [0.0, float("nan"), float("inf")])
@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_a_voxel_size_that_is_none_is_refused_in_words(tmp_path: Path, size: float, ending: str) -> None:
    image, label = pair(tmp_path / "Dataset101_One", ending)
    for path, array in zip((image, label), brought.arrays(0), strict=True):
        brought.write_header(path, array, (GRID, 1), pixdim=[1.5, 1.25, size])
    with pytest.raises(BadData) as caught:
        prepared(tmp_path / "Dataset101_One", tmp_path)
    assert {problem.case for problem in caught.value.problems} == {"a"}
    assert f"has the voxel size 1.5 × 1.25 × {size:g}; each must be above 0 mm" in str(caught.value)
    assert "truncated" not in str(caught.value)


def test_a_half_file_that_itk_reads_without_a_word_is_refused_by_the_run_too(tmp_path: Path) -> None:
    image, label = pair(tmp_path / "Dataset101_One")
    values, numbers = brought.arrays(0, (40, 40, 40))
    brought.write(image, values)
    brought.write(label, numbers)
    image.write_bytes(image.read_bytes()[:-2000])
    with pytest.raises(BadData, match="it may be truncated: Compressed file ended"):
        prepared(tmp_path / "Dataset101_One", tmp_path)
    with pytest.raises(UnusableCase, match="it may be truncated: Compressed file ended"):
        read_case([str(image)], str(label), {"file_ending": ".nii.gz"}, SCHEME)
    damaged = bytearray(gzip.compress(gzip.decompress(gzip.compress(b"x" * 9000))))
    damaged[-6] ^= 1
    image.write_bytes(damaged)
    with pytest.raises(UnusableCase, match="incorrect data check"):
        read_case([str(image)], str(label), {"file_ending": ".nii.gz"}, SCHEME)


def _tiffs(folder: Path, ids: tuple[str, ...], sizes: bool) -> None:
    import tifffile

    for case, id in enumerate(ids):
        for path, array in zip(
            (folder / f"imagesTr/{id}_0000.tif", folder / f"labelsTr/{id}.tif"), brought.arrays(case), strict=True
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, np.ascontiguousarray(array.T))
            if sizes:
                (path.parent / f"{id}.json").write_text(json.dumps({"spacing": [2.0, 1.25, 1.5]}))


@pytest.mark.parametrize("ids", [("cell_0001", "cell_0002"), ("0001", "0002"), ("a_0000_b", "x")])
def test_numbered_tiffs_are_read_as_nnunet_reads_them(tmp_path: Path, ids: tuple[str, ...]) -> None:
    folder = tmp_path / "Dataset101_Cells"
    brought.describe(folder, cases=2, file_ending=".tif")
    _tiffs(folder, ids, sizes=True)
    dataset = prepared(folder, tmp_path)
    assert [case["spacing"] for case in manifest(tmp_path)["cases"].values()] == [[1.5, 1.25, 2.0]] * 2
    assert dataset.notes == ()
    (folder / f"labelsTr/{ids[0]}.json").write_text(json.dumps({"spacing": [2.0, 1.25, 3.0]}))
    with pytest.raises(BadData, match=r"has voxels of 3 × 1.25 × 2 mm where the image has 1.5 × 1.25 × 2 mm"):
        prepared(folder, tmp_path)


def test_a_tiff_without_its_voxel_size_is_taken_for_one_mm_and_that_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "Dataset101_Cells"
    brought.describe(folder, cases=2, file_ending=".tif")
    _tiffs(folder, ("a", "b"), sizes=False)
    notes = prepared(folder, tmp_path).notes
    assert any("a.json with its voxel size is missing, so that nnU-Net takes 1 × 1 × 1 mm" in note for note in notes)


@pytest.mark.parametrize(
    ("said", "reader"),
    [
        ({}, "SimpleITKIO"), ({"file_ending": ".nii"}, "NibabelIO"), ({"file_ending": ".mha"}, "SimpleITKIO"),
        ({"overwrite_image_reader_writer": "NibabelIOWithReorient"}, "NibabelIOWithReorient"),
        ({"overwrite_image_reader_writer": "None"}, "SimpleITKIO"), ({"file_ending": ".NRRD"}, "SimpleITKIO"),
    ],
)  # fmt: skip
def test_the_reader_is_nnunets_first_one_or_the_one_asked_for(said: dict, reader: str) -> None:
    assert chosen_reader({"file_ending": ".nii.gz"} | said) == reader


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"overwrite_image_reader_writer": "MyOwnIO"}, "nnU-Net has no reader 'MyOwnIO'; it has SimpleITKIO, "),
        ({"file_ending": ".dcm"}, "file_ending: none of nnU-Net's 3-D readers reads '.dcm' files"),
        ({"file_ending": ".png"}, "file_ending: none of nnU-Net's 3-D readers reads '.png' files"),
    ],
)
def test_a_reader_that_is_none_is_refused_with_its_key(tmp_path: Path, said: dict, words: str) -> None:
    folder = tmp_path / "Dataset101_One"
    ending = said.get("file_ending", ".nii.gz")
    image, label = pair(folder, **({"ending": ending} | {k: v for k, v in said.items() if k != "file_ending"}))
    for path in (image, label):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    with pytest.raises(MissingEnvironment) as caught:
        prepared(folder, tmp_path)
    assert words in str(caught.value)
    assert str(folder / "dataset.json") in str(caught.value)


@pytest.mark.parametrize("reader", ["NibabelIOWithReorient", "SimpleITKIOWithReorient", "NibabelIO"])
def test_the_reader_that_is_asked_for_reads_the_manifest_too(tmp_path: Path, reader: str) -> None:
    folder = tmp_path / "Dataset101_One"
    image, label = pair(folder, overwrite_image_reader_writer=reader)
    values, numbers = brought.arrays(0)
    for path, array in ((image, values), (label, numbers)):
        brought.write(path, array, affine=turned(3, (True, False, True), 0.0))
    assert assert_agreement(folder, image, label, tmp_path)


def test_what_is_remembered_of_a_file_belongs_to_the_reader(tmp_path: Path) -> None:
    folder = tmp_path / "Dataset101_One"
    image, label = pair(folder)
    for path, array in zip((image, label), brought.arrays(0), strict=True):
        brought.write(path, array, affine=turned(4, (False, False, False), 0.0))
    prepared(folder, tmp_path)
    before = manifest(tmp_path)["cases"]["a"]
    brought.describe(folder, cases=1, overwrite_image_reader_writer="NibabelIOWithReorient")
    prepared(folder, tmp_path)
    after = manifest(tmp_path)["cases"]["a"]
    assert sorted(before["shape"]) == sorted(after["shape"])
    assert before["shape"] != after["shape"]
    assert nibabel.as_closest_canonical(nibabel.load(image)).shape == tuple(after["shape"])
