"""What people bring, through the command line: said or refused by name, and never decided by an accident of order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import brought
from clbench.definitions.normalisation import scheme_of

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder of raw datasets."""
    folder = tmp_path / "raw"
    monkeypatch.setenv("nnUNet_raw", str(folder))
    monkeypatch.setenv("CLBENCH_DATA", str(tmp_path / "data"))
    return folder


def benchmark(folder: Path, sequence: list[str], **more: object) -> Path:
    """A definition that trains next to nothing."""
    content = {
        "name": "own", "version": 1, "title": "Own", "scenario": "task-incremental", "sequence": sequence,
        "backbone": {"configuration": "3d_fullres", "patch": [16, 16, 16], "features": [4, 8, 8]},
        "budget": {"epochs": 1, "epoch": {"iterations": 1}, "batch": 2}, "sample": {"split": "last-fifth"},
        "protocols": {"from-scratch": {}}, "seeds": [0],
    }  # fmt: skip
    for key, value in more.items():
        content[key] = {**content[key], **value} if isinstance(content.get(key), dict) else value
    file = folder / "my-suite/benchmark/own.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(content))
    return file


def tasks(call: Call, *pairs: tuple[str, str]) -> None:
    for name, number in pairs:
        code, _, err = call("new", "task", name, "--from", number)
        assert code == 0, err


@pytest.mark.parametrize(("ct", "mr"), [("a", "b"), ("b", "a"), ("zoo", "liver")])
def test_one_normalisation_for_ct_and_mr_is_refused_whatever_they_are_called(
    call: Call, raw: Path, tmp_path: Path, ct: str, mr: str
) -> None:
    brought.dataset(raw, "Dataset101_Ct")
    brought.dataset(raw, "Dataset102_Mr", channels=("MRI",))
    tasks(call, (ct, "101"), (mr, "102"))
    file = benchmark(tmp_path, [ct, mr])
    code, _, err = call("validate", file, "--suite", "my-suite")
    assert code == 2
    assert f"channel 0 of {mr} is MRI, which nnU-Net normalises by ZScoreNormalization, and that of {ct} is CT" in err

    for chosen in (ct, mr):
        file = benchmark(tmp_path, [ct, mr], backbone={"plans": {"target": chosen}})
        code, out, err = call("validate", file, "--suite", "my-suite")
        assert code == 0, err
        listed = ", ".join(f"{kind} in {name}" for name, kind in sorted(((ct, "CT"), (mr, "MRI"))))
        said = f"channel 0 is {listed}; all are normalised alike, by the plan of {chosen}"
        assert said in out
        code, out, err = call("plan", file, "--suite", "my-suite")
        assert (code, said in out) == (0, True), err


@pytest.mark.parametrize(("channels", "others"), [(("T1", "T2"), ("T2", "T1")), (("CT", "pet", "x"), ("x", "CT", "pet"))])
def test_the_same_channels_in_another_order_are_refused_by_name(
    call: Call, raw: Path, tmp_path: Path, channels: tuple[str, ...], others: tuple[str, ...]
) -> None:
    brought.dataset(raw, "Dataset101_One", channels=channels)
    brought.dataset(raw, "Dataset102_Other", channels=others)
    tasks(call, ("one", "101"), ("other", "102"))
    code, _, err = call("validate", benchmark(tmp_path, ["one", "other"]), "--suite", "my-suite")
    assert code == 2
    assert f"other has the channels {', '.join(others)} where one has {', '.join(channels)}" in err


def test_channels_of_other_names_and_one_normalisation_are_said(call: Call, raw: Path, tmp_path: Path) -> None:
    brought.dataset(raw, "Dataset101_One", channels=("T1",))
    brought.dataset(raw, "Dataset102_Other", channels=("FLAIR",))
    tasks(call, ("one", "101"), ("other", "102"))
    code, out, _ = call("validate", benchmark(tmp_path, ["one", "other"]), "--suite", "my-suite")
    assert code == 0
    assert "channel 0 is T1 in one, FLAIR in other; all are normalised alike, by ZScoreNormalization" in out


@pytest.mark.parametrize("name", ["CT", "ct", "MRI", "noNorm", "zscore", "rescale_to_0_1", "rgb_to_0_1", "T1", "Pet"])
def test_the_normalisation_of_a_channel_is_nnunets(name: str) -> None:
    from nnunetv2.preprocessing.normalization.map_channel_name_to_normalization import get_normalization_scheme

    assert scheme_of(name) == get_normalization_scheme(name).__name__


def test_axes_that_differ_are_said_by_prepare_and_preflight(call: Call, raw: Path, tmp_path: Path) -> None:
    import nibabel

    brought.dataset(raw, "Dataset101_One", cases=5)
    folder = brought.dataset(raw, "Dataset102_Other", cases=5)
    for file in folder.rglob("pat_00[13]*.nii.gz"):
        image = nibabel.load(file)
        turn = nibabel.orientations.ornt_transform(
            nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt("SLP")
        )
        nibabel.save(image.as_reoriented(turn), file)
    tasks(call, ("one", "101"), ("other", "102"))
    file = benchmark(tmp_path, ["one", "other"])
    code, _, err = call("data", "prepare", file, "--suite", "my-suite")
    assert code == 0, err
    within = "axes (x, y, z) differ between cases: RAS (3 cases), SLP (2 cases); nothing turns them"
    assert f"other: note: {within}" in err
    assert "NibabelIOWithReorient" in err
    code, out, err = call("preflight", file, "--suite", "my-suite", "--json")
    assert code == 0, err
    assert "one RAS (5 cases); other RAS (3 cases), SLP (2 cases)" in out


def _shrunken(case: int, image, label):
    """Zeros round the block, whose last plane is foreground of the label."""
    if case == 2:
        image[:, :, 5:] = 0
        label[3:5, 3:5, 6] = 1
    return image, label


def test_foreground_that_cropping_loses_and_odd_voxels_are_said(call: Call, raw: Path, tmp_path: Path) -> None:
    folder = brought.dataset(raw, "Dataset101_One", change=_shrunken)
    image, label = brought.arrays(4)
    brought.write(folder / "imagesTr/pat_004_0000.nii.gz", image, (15, 1.25, 2))
    brought.write(folder / "labelsTr/pat_004.nii.gz", label, (15, 1.25, 2))
    tasks(call, ("one", "101"))
    code, _, err = call("data", "prepare", "one", "--suite", "my-suite")
    assert code == 0, err
    assert "is lost in training: 4 voxels in case pat_002" in err
    assert "case pat_004 has voxels of 15 × 1.25 × 2 mm where the dataset's median is 1.5 × 1.25 × 2 mm" in err
