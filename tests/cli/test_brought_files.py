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


@pytest.mark.parametrize(
    ("channels", "others"), [(("T1", "T2"), ("T2", "T1")), (("CT", "pet", "x"), ("x", "CT", "pet"))]
)
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


def prepare_says(call: Call, raw: Path, number: str) -> str:
    """What ``data prepare`` refuses a dataset with, once its card is written."""
    code, _, err = call("new", "task", "one", "--from", number)
    assert code == 0, err
    code, _, err = call("data", "prepare", "one", "--suite", "my-suite")
    assert code == 4
    return err


@pytest.mark.parametrize("behind", [".seg", "_seg", "-label", "_0000"])
def test_labels_with_something_behind_their_name_are_counted_once_and_said_by_name(
    call: Call, raw: Path, behind: str
) -> None:
    folder = brought.dataset(raw, "Dataset101_Slicer", cases=3)
    for file in (folder / "labelsTr").iterdir():
        file.rename(file.with_name(file.name.replace(".nii.gz", f"{behind}.nii.gz")))
    err = prepare_says(call, raw, "101")
    assert "3 problems in its data" in err
    said = f"pat_001{behind}.nii.gz: the label is called so, and nnU-Net looks for pat_001.nii.gz; rename it"
    assert said in err
    assert "labelled cases where" not in err


@pytest.mark.parametrize(("ending", "there"), [(".nii", ".nii.gz"), (".mha", ".nii.gz"), (".nrrd", ".nii.gz")])
def test_a_file_ending_that_no_file_has_is_named(call: Call, raw: Path, ending: str, there: str) -> None:
    brought.dataset(raw, "Dataset101_One", file_ending=ending)
    err = prepare_says(call, raw, "101")
    assert f"file_ending is {ending!r}, and no file in imagesTr ends so; there are 6 in {there}" in err
    assert "0 labelled cases" not in err


def test_an_ending_without_its_dot_is_named(call: Call, raw: Path) -> None:
    brought.dataset(raw, "Dataset101_One", file_ending="nii.gz")
    assert "file_ending is 'nii.gz' and must begin with a dot" in prepare_says(call, raw, "101")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"channel_names": {"CT": 0}}, 'dataset.json: channel_names must map the numbers 0, 1, … as texts'),
        ({"channel_names": {"1": "T1", "2": "T2"}}, "channel_names must map the numbers 0, 1, …"),
        ({"channel_names": {"0": 7}}, "channel_names must have names, not 7"),
        ({"numTraining": "six"}, "numTraining: "),
    ],
)
def test_a_wrong_key_of_a_description_is_named_as_written(call: Call, raw: Path, said: dict, words: str) -> None:
    brought.dataset(raw, "Dataset101_One", **said)
    code, _, err = call("new", "task", "one", "--from", "101")
    assert (code, words in err) == (4, True), err


@pytest.mark.parametrize("listed", [1, 5, 7])
def test_a_stale_list_of_cases_counts_for_nothing_as_in_nnunet(call: Call, raw: Path, listed: int) -> None:
    entries = [{"image": f"./imagesTr/x{k}.nii.gz", "label": f"./labelsTr/x{k}.nii.gz"} for k in range(listed)]
    brought.dataset(raw, "Dataset101_One", training=entries)
    code, _, err = call("new", "task", "one", "--from", "101")
    assert code == 0, err
    code, _, err = call("data", "prepare", "one", "--suite", "my-suite")
    assert code == 0, err
    assert "one: 6 cases" in err


def test_channels_are_taken_by_their_numbers_whatever_their_order_in_the_file(call: Call, raw: Path) -> None:
    brought.dataset(raw, "Dataset101_One", channels=("T1", "T2"), channel_names={"1": "T2", "0": "T1"})
    assert call("new", "task", "one", "--from", "101")[0] == 0
    card = yaml.safe_load(Path("my-suite/tasks/one.yaml").read_text())
    assert card["modality"] == ["T1", "T2"]


def test_a_broken_link_is_called_one(call: Call, raw: Path) -> None:
    folder = brought.dataset(raw, "Dataset101_One")
    file = folder / "imagesTr/pat_002_0000.nii.gz"
    file.unlink()
    file.symlink_to("/nowhere/pat_002.nii.gz")
    label = folder / "labelsTr/pat_003.nii.gz"
    label.unlink()
    label.mkdir()
    err = prepare_says(call, raw, "101")
    assert "the image is a broken link: /nowhere/pat_002.nii.gz is not there" in err
    assert "the label is a folder" in err


def listed(tmp_path: Path, change: Callable[[int, dict], None], **card: object) -> None:
    """A datalist of three cases, each entry changed, and its card ``one``."""
    import json

    entries = []
    for case in range(3):
        folder, (image, label) = tmp_path / "data" / f"s{case}", brought.arrays(case)
        brought.write(folder / f"ct_{case}.nii.gz", image)
        brought.write(folder / f"seg_{case}.nii.gz", label)
        entries.append({"image": f"s{case}/ct_{case}.nii.gz", "label": f"s{case}/seg_{case}.nii.gz"})
        change(case, entries[-1])
    (tmp_path / "data/list.json").write_text(json.dumps({"training": entries}))
    content = {
        "name": "one", "version": 1, "title": "One", "modality": "CT", "original_labels": {"organ": 1},
        "source": {"kind": "datalist", "path": "list.json"}, "labels": "separate",
    }  # fmt: skip
    (tmp_path / "my-suite/tasks").mkdir(parents=True)
    (tmp_path / "my-suite/tasks/one.yaml").write_text(yaml.safe_dump(content | card))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda case, entry: entry.update(label=[entry["label"], "x"]), "training[1].label lists 2 files"),
        (lambda case, entry: entry.update(label=3), "training[1].label is 3 and must be a path"),
        (lambda case, entry: entry.pop("label"), "training[1] has no label"),
        (
            lambda case, entry: entry.update(image=entry["image"].replace("/", "\\")),
            "training[1] has a path with backslashes, which is none here; write / for each",
        ),
        (lambda case, entry: entry.update(id="same"), "two cases have this id"),
    ],
)
def test_what_is_wrong_with_a_listed_case_is_said_as_it_is(
    call: Call, raw: Path, tmp_path: Path, change: Callable[[int, dict], None], words: str
) -> None:
    listed(tmp_path, change, cases=3)
    code, _, err = call("data", "prepare", "one", "--suite", "my-suite", "--data", "data")
    assert (code, words in err) == (4, True), err
    assert "usable as a file's name" not in err
    assert "labelled cases where the card" not in err


def test_a_label_in_a_list_of_one_is_that_label(call: Call, raw: Path, tmp_path: Path) -> None:
    listed(tmp_path, lambda case, entry: entry.update(label=[entry["label"]]))
    code, _, err = call("data", "prepare", "one", "--suite", "my-suite", "--data", "data")
    assert code == 0, err


@pytest.mark.parametrize("names", [("Liver", "Liver"), ("肝臓", "腎臓"), ("Größe", "Grosse"), ("печень", "почка")])
def test_two_datasets_of_names_that_meet_both_get_one(
    call: Call, raw: Path, tmp_path: Path, names: tuple[str, str]
) -> None:
    for number, name in zip((101, 201), names, strict=True):
        brought.dataset(raw, f"Dataset{number}_{name}")
    code, _, err = call("new", "benchmark", "both", "--from", "101,201")
    assert code == 0, err
    cards = {file.stem for file in Path("my-suite/tasks").iterdir()}
    assert len(cards) == 2
    assert all(card.isascii() for card in cards)
    assert call("validate", "--suite", "my-suite")[0] == 0


@pytest.mark.parametrize(
    ("names", "slugs"),
    [
        (("Größe", "Grösse"), {"Grosse-1", "Grosse-2"}), (("肝臓", "腎臓"), {"u809du81d3", "u814eu81d3"}),
        (("tumeur é", "tumeur e"), {"tumeur-e-1", "tumeur-e"}), (("left kidney", "αβ"), {"left-kidney", "u3b1u3b2"}),
    ],
)  # fmt: skip
def test_labels_in_any_script_stay_different(call: Call, raw: Path, names: tuple[str, str], slugs: set[str]) -> None:
    brought.dataset(raw, "Dataset101_One", labels={"background": 0, names[0]: 1, names[1]: 2})
    code, _, err = call("new", "task", "one", "--from", "101")
    assert code == 0, err
    assert set(yaml.safe_load(Path("my-suite/tasks/one.yaml").read_text(encoding="utf-8"))["labels"]) == slugs


def test_a_long_list_of_problems_is_cut_with_its_count(call: Call, raw: Path) -> None:
    folder = brought.dataset(raw, "Dataset101_One", cases=30)
    for file in (folder / "labelsTr").iterdir():
        file.write_bytes(b"")
    err = prepare_says(call, raw, "101")
    assert "30 problems in its data" in err
    assert "… and 10 more" in err
    assert len(err.splitlines()) < 60


def test_a_scheme_of_many_labels_is_cut_with_its_count(call: Call, raw: Path) -> None:
    names = {"background": 0} | {f"l{number}": number for number in range(1, 117)}
    folder = brought.dataset(raw, "Dataset101_One")
    brought.describe(folder, names)
    _, label = brought.arrays(0)
    label.ravel()[:120] = range(130, 250)
    brought.write(folder / "labelsTr/pat_000.nii.gz", label)
    err = prepare_says(call, raw, "101")
    assert "130 (1 voxels)" in err
    assert "and 100 more; the label scheme has" in err
    assert max(map(len, err.splitlines())) < 1000


@pytest.mark.parametrize("shape", [(6, 6, 6), (9, 12, 9), (10, 10, 10)])
def test_tiny_images_train_once_patch_and_features_are_set(
    call: Call, raw: Path, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    import numpy as np
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    from clbench.definitions.plans_file import untrainable
    from clbench.nnunet.planning import Backbone, CaseFingerprint, plan_union, pool_fingerprints

    cases = [CaseFingerprint(shape, (2.0, 1.5, 1.5), (np.arange(50.0),), 1.0)] * 4
    description = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "organ": 1}, "numTraining": 4,
                   "file_ending": ".nii.gz"}  # fmt: skip
    brought.dataset(raw, "Dataset101_One", cases=1)
    backbone = Backbone("3d_fullres", None, (16, 16, 16), (4, 8, 8), 2)
    example = raw / "Dataset101_One/imagesTr/pat_000_0000.nii.gz"
    plans = plan_union(pool_fingerprints(cases), description, example, backbone, tmp_path / "scratch")
    (configuration,) = plans["configurations"].values()
    assert not list(untrainable(configuration))
    architecture = configuration["architecture"]
    get_network_from_plans(
        architecture["network_class_name"], architecture["arch_kwargs"], architecture["_kw_requires_import"], 1, 2
    )
