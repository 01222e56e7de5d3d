"""Datasets in their public layouts become raw datasets of nnU-Net with nothing changed in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest

import public_trees as trees
from clbench.data.available import manifest_digest, prepared_datasets
from clbench.data.dataset import RawDataset
from clbench.data.prepare import prepare
from clbench.definitions.models import TaskCard
from clbench.definitions.places import DataPlaces
from public_trees import Made

Maker = Callable[[Path], tuple[Made, TaskCard]]


def _msd(folder: str, **more: object) -> Maker:
    def make(root: Path) -> tuple[Made, TaskCard]:
        made = trees.msd(root, folder, **more)
        md5 = {}
        if made.folder.suffix == ".tar":
            import hashlib

            md5 = {"md5": hashlib.md5(made.folder.read_bytes()).hexdigest()}
        card = trees.shipped_card(made)
        return made, card.model_copy(update={"source": card.source.model_copy(update=md5)})

    return make


def _kits(edition: str) -> Maker:
    def make(root: Path) -> tuple[Made, TaskCard]:
        made = trees.kits(root, edition)
        return made, trees.shipped_card(made)

    return make


def _nnunet(name: str, **more: object) -> Maker:
    def make(root: Path) -> tuple[Made, TaskCard]:
        made = trees.nnunet(root / "raw", name, **more)
        kind = "nnunet" if name.startswith("Dataset") else "nnunet-v1"
        modality = ["CT", "T1"][: more.get("channels", 1)]
        return made, trees.own_card({"kind": kind, "dataset": name}, modality=modality)

    return make


def _datalist(root: Path) -> tuple[Made, TaskCard]:
    return trees.datalist(root / "list"), trees.own_card({"kind": "datalist", "path": "list/datalist.json"})


MAKERS: dict[str, Maker] = {
    "msd-liver": _msd("Task03_Liver"),
    "msd-pancreas-without-imagesTs": _msd("Task07_Pancreas", unlabelled=0),
    "msd-lung-tar": _msd("Task06_Lung", tar=True),
    "kits21": _kits("kits21"),
    "kits23": _kits("kits23"),
    "nnunet": _nnunet("Dataset123_Mine"),
    "nnunet-two-channels": _nnunet("Dataset124_Two", channels=2),
    "nnunet-nrrd": _nnunet("Dataset125_Nrrd", ending=".nrrd"),
    "nnunet-mha": _nnunet("Dataset126_Mha", ending=".mha"),
    "nnunet-nii": _nnunet("Dataset127_Nii", ending=".nii"),
    "nnunet-tif": _nnunet("Dataset128_Tif", ending=".tif"),
    "nnunet-v1": _nnunet("Task129_Old"),
    "datalist": _datalist,
}


@pytest.fixture(scope="module", params=MAKERS)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, RawDataset]:
    """A dataset that was made, and what became of it."""
    root = tmp_path_factory.mktemp(request.param)
    made, card = MAKERS[request.param](root)
    return made, prepare(card, DataPlaces(root, (root / "raw",)), processes=1)


def test_every_labelled_case_is_there_under_its_own_name(source: tuple[Made, RawDataset]) -> None:
    made, dataset = source
    assert [case.id for case in dataset.cases] == sorted(made.labels)
    assert all(len(case.images) == len(made.images[case.id]) for case in dataset.cases)


def test_values_and_affines_of_images_and_labels_are_the_sources(source: tuple[Made, RawDataset]) -> None:
    made, dataset = source
    if dataset.description["file_ending"] not in (".nii", ".nii.gz"):
        pytest.skip("compared through nnU-Net's reader below")
    for case in dataset.cases:
        for path, values in zip(
            (*case.images, case.label), (*made.images[case.id], made.labels[case.id]), strict=True
        ):
            image = nibabel.load(path)
            assert np.array_equal(np.asanyarray(image.dataobj), values)
            assert np.allclose(image.affine, made.affines[case.id], atol=1e-5)


def test_nnunets_reader_finds_the_labels_of_the_source(source: tuple[Made, RawDataset]) -> None:
    from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_dataset_json

    made, dataset = source
    case = dataset.cases[0]
    reader = determine_reader_writer_from_dataset_json(dataset.description, str(case.images[0]), verbose=False)()
    images, properties = reader.read_images([str(path) for path in case.images])
    label, _ = reader.read_seg(str(case.label))
    assert images.shape[1:] == label.shape[1:]
    assert np.array_equal(
        np.unique(label, return_counts=True)[1], np.unique(made.labels[case.id], return_counts=True)[1]
    )
    assert images.sum(dtype=float) == np.sum(made.images[case.id], dtype=float)
    sizes = np.linalg.norm(made.affines[case.id][:3, :3], axis=0)
    assert sorted(properties["spacing"]) == pytest.approx(sorted(sizes), rel=1e-6)


def test_kits_is_turned_to_right_front_head_by_nnunets_own_reader(tmp_path: Path) -> None:
    made, card = MAKERS["kits21"](tmp_path)
    dataset = prepare(card, DataPlaces(tmp_path), processes=1)
    assert dataset.description["overwrite_image_reader_writer"] == "NibabelIOWithReorient"
    from nnunetv2.imageio.nibabel_reader_writer import NibabelIOWithReorient

    images, _ = NibabelIOWithReorient().read_images([str(dataset.cases[0].images[0])])
    assert np.array_equal(images[0].T, trees.anatomy_case("mini-kidney", 0).image)
    assert nibabel.aff2axcodes(made.affines["case_00000"]) == ("I", "P", "L")


def test_linking_takes_less_than_a_hundredth_of_the_images(tmp_path: Path) -> None:
    for folder in ("source", "data"):
        (tmp_path / folder).mkdir()
    made = trees.msd(tmp_path / "source", "Task03_Liver")
    large = np.random.default_rng(0).integers(-1000, 1000, (96, 96, 64), dtype=np.int16)
    for path in (made.folder / "imagesTr").glob("liver_*"):
        trees.save(path, large, np.diag([2.0, 2, 3, 1]))
        trees.save(made.folder / "labelsTr" / path.name, (large > 900).astype(np.uint8), np.diag([2.0, 2, 3, 1]))
    (tmp_path / "data/Task03_Liver").symlink_to(made.folder)
    images = sum(path.stat().st_size for path in (made.folder / "imagesTr").glob("liver_*"))

    dataset = prepare(trees.shipped_card(made), DataPlaces(tmp_path / "data"), processes=1)

    known = {path.stat().st_ino for path in made.folder.rglob("*")}
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file() and not path.is_symlink()]
    extra = sum(path.stat().st_size for path in files if path.stat().st_ino not in known)
    assert dataset.cases[0].images[0].stat().st_ino in known
    assert 0 < extra < 0.01 * images


def test_a_version_2_dataset_is_used_where_it_is_and_nothing_is_written_into_it(tmp_path: Path) -> None:
    made, card = MAKERS["nnunet"](tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "raw").rglob("*")}
    dataset = prepare(card, DataPlaces(tmp_path / "data", (tmp_path / "raw",)), processes=1)
    assert dataset.folder == made.folder
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "raw").rglob("*")} == before


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_orientation_and_voxel_size_are_the_same_in_every_format(tmp_path: Path, ending: str) -> None:
    made = trees.nnunet(tmp_path, cases=5, ending=ending)
    places = DataPlaces(tmp_path)
    prepare(trees.own_card({"kind": "nnunet", "dataset": 123}), places, processes=1)
    case = json.loads((places.prepared("mine") / "manifest.json").read_text())["cases"]["patient_01"]
    assert case["orientation"] == "".join(nibabel.aff2axcodes(made.affines["patient_01"])) == "LAS"
    assert case["shape"] == list(trees.SHAPE)
    assert case["spacing"] == pytest.approx(trees.anatomy_case("mini-liver", 1).spacing, rel=1e-6)


@pytest.mark.parametrize("reference", ["123", "Dataset123_Mine", "{raw}/Dataset123_Mine", "nested/Dataset123_Mine"])
def test_a_dataset_is_found_by_its_number_its_name_or_its_path(tmp_path: Path, reference: str) -> None:
    made = trees.nnunet(tmp_path / "raw")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/nested").symlink_to(tmp_path / "raw")
    card = trees.own_card({"kind": "nnunet", "dataset": reference.format(raw=tmp_path / "raw")})
    dataset = prepare(card, DataPlaces(tmp_path / "data", (tmp_path / "raw",)), processes=1)
    assert dataset.folder.resolve() == made.folder


def test_a_version_2_dataset_that_lists_its_files_needs_no_folders(tmp_path: Path) -> None:
    made = trees.nnunet(tmp_path / "raw")
    moved = (made.folder / "imagesTr").rename(tmp_path / "elsewhere")
    file = made.folder / "dataset.json"
    listed = {
        id: {"images": [f"../../elsewhere/{id}_0000.nii.gz"], "label": f"labelsTr/{id}.nii.gz"} for id in made.labels
    }
    file.write_text(json.dumps(json.loads(file.read_text()) | {"dataset": listed}))
    card = trees.own_card({"kind": "nnunet", "dataset": 123})
    dataset = prepare(card, DataPlaces(tmp_path / "data", (tmp_path / "raw",)), processes=1)
    assert {case.images[0].parent for case in dataset.cases} == {moved}


@pytest.mark.parametrize("place", ["data", "data/CT/public", "data/datasets"])
def test_a_dataset_may_lie_anywhere_in_the_data_folder(tmp_path: Path, place: str) -> None:
    card = trees.shipped_card(trees.msd(tmp_path / place))
    assert len(prepare(card, DataPlaces(tmp_path / "data"), processes=1).cases) == 5


@pytest.mark.parametrize("edition", ["kits21", "kits23"])
def test_the_data_folder_may_be_the_dataset_itself(tmp_path: Path, edition: str) -> None:
    made = trees.kits(tmp_path, edition)
    trees.kits(tmp_path, {"kits21": "kits23", "kits23": "kits21"}[edition], cases=3)
    assert len(prepare(trees.shipped_card(made), DataPlaces(made.folder), processes=1).cases) == 5


def test_editions_of_kits_that_lie_side_by_side_are_told_apart_by_their_labels(tmp_path: Path) -> None:
    for edition in ("kits21", "kits23"):
        made = trees.kits(tmp_path, edition, cases=4)
        dataset = prepare(trees.shipped_card(made), DataPlaces(tmp_path), processes=1)
        assert [case.id for case in dataset.cases] == sorted(made.labels)


def test_where_no_link_can_be_made_files_are_copied_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from clbench.data.telling import Silence

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    said = []

    class Listening(Silence):
        def say(self, text: str) -> None:
            said.append(text)

    made = trees.msd(tmp_path)
    monkeypatch.setattr(os, "link", refuse)
    dataset = prepare(trees.shipped_card(made), DataPlaces(tmp_path), 1, Listening())
    assert dataset.cases[0].images[0].is_symlink()
    assert not [text for text in said if "copied" in text]
    monkeypatch.setattr(os, "symlink", refuse)
    (tmp_path / "prepared/msd-liver/index.json").unlink()
    for path in (tmp_path / "prepared").rglob("*.nii.gz"):
        path.unlink()
    dataset = prepare(trees.shipped_card(made), DataPlaces(tmp_path), 1, Listening())
    assert dataset.cases[0].images[0].is_file()
    assert not dataset.cases[0].images[0].is_symlink()
    assert [text for text in said if "10 files were copied" in text]


def test_what_is_prepared_is_opened_without_reading_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trees.msd(tmp_path)
    card, places = trees.shipped_card(made), DataPlaces(tmp_path)
    dataset = prepare(card, places, processes=1)
    for path in (made.folder / "imagesTr").glob("liver_*"):
        path.chmod(0)
    monkeypatch.setattr("clbench.data.imaging.read_volume", None)
    assert prepared_datasets([card], places) == {card.name: dataset}
    assert prepare(card, places) == dataset
    assert manifest_digest(card, places) == dataset.manifest


def test_nnunets_own_integrity_check_passes(
    source: tuple[Made, RawDataset], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from multiprocessing import dummy

    from nnunetv2.experiment_planning import verify_dataset_integrity as check
    from nnunetv2.utilities import utils

    monkeypatch.setattr(check, "multiprocessing", SimpleNamespace(get_context=lambda _: dummy))
    monkeypatch.setattr(utils, "Pool", dummy.Pool)
    check.verify_dataset_integrity(str(source[1].folder), 1)
    said = capsys.readouterr().out
    assert "verify_dataset_integrity Done" in said
    assert "mismatch" not in said


@pytest.mark.slow
def test_nnunets_planning_and_preprocessing_accept_prepared_datasets(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for name in ("msd-liver", "kits21"):
        _, card = MAKERS[name](tmp_path / name)
        dataset = prepare(card, DataPlaces(tmp_path / name), processes=1)
        (tmp_path / "raw" / dataset.folder.name).symlink_to(dataset.folder)
    entry = "from nnunetv2.experiment_planning.plan_and_preprocess_entrypoints import plan_and_preprocess_entry"
    script = tmp_path / "plan.py"
    script.write_text(f"{entry}\nif __name__ == '__main__':\n    plan_and_preprocess_entry()\n")
    variables = {f"nnUNet_{place}": str(tmp_path / place) for place in ("raw", "preprocessed", "results")}
    done = subprocess.run(
        [sys.executable, script, "-d", "3", "135", "-c", "3d_fullres", "-np", "1", "-npfp", "1"],
        env={**os.environ, **variables, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for folder in ("Dataset003_Liver", "Dataset135_KiTS2021"):
        assert len(list((tmp_path / "preprocessed" / folder / "nnUNetPlans_3d_fullres").glob("*.pkl"))) == 5
