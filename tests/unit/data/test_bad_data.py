"""Every way in which a case can be wrong: it is named with its file, whole cases are kept, and a rerun goes on."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import public_trees as trees
from clbench.data import examine
from clbench.data.dataset import RawCase
from clbench.data.prepare import prepare
from clbench.data.problems import BadData, CaseProblem
from clbench.data.sources.tree import gathered
from clbench.definitions.models import TaskCard
from clbench.definitions.places import DataPlaces
from clbench.errors import MissingEnvironment

IMAGE, LABEL = "imagesTr/liver_2.nii.gz", "labelsTr/liver_2.nii.gz"
Spoil = Callable[[Path], None]


def _values(file: str, change: Callable[[np.ndarray], np.ndarray], affine: np.ndarray | None = None) -> Spoil:
    """Replace a file's values, and its affine if one is given as a factor."""

    def spoil(folder: Path) -> None:
        image = nibabel.load(folder / file)
        values, grid = change(np.asanyarray(image.dataobj).copy()), image.affine
        trees.save(folder / file, values, grid if affine is None else grid @ affine)

    return spoil


def _moved(values: np.ndarray, index: tuple[int, ...], value: float) -> np.ndarray:
    values[index] = value
    return values


def _truncated(file: str, bytes_left: int = -200) -> Spoil:
    return lambda folder: (folder / file).write_bytes((folder / file).read_bytes()[:bytes_left])


def _truncated_inside(folder: Path) -> None:
    """A whole gzip stream of half a NIfTI file."""
    file = folder / IMAGE
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())[:-3000]))


def _listed_twice(folder: Path) -> None:
    found = json.loads((folder / "dataset.json").read_text())
    found["training"].append({"image": f"./{IMAGE}", "label": "./labelsTr/liver_2.nii.gz"})
    (folder / "dataset.json").write_text(json.dumps(found))


SHIFT = np.eye(4)
SHIFT[0, 3] = 0.3
SPOILS: dict[str, tuple[Spoil, str, str]] = {
    "label of another shape": (_values(LABEL, lambda v: v[:, :-1]), LABEL, "24 × 21 × 16 voxels where the image has"),
    "label of another spacing": (_values(LABEL, np.copy, np.diag([1, 1, 1.01, 1])), LABEL, "mm where the image has"),
    "label elsewhere": (_values(LABEL, np.copy, SHIFT), LABEL, "0.3 voxels apart (affines differ; axes RAS and RAS)"),
    "label flipped in its header": (_values(LABEL, np.copy, np.diag([1, -1, 1, 1.0])), LABEL, "axes RPS and RAS"),
    "label outside the scheme": (
        _values(LABEL, lambda v: _moved(v, (0, 0, slice(3)), 7)), LABEL,
        "has 7 (3 voxels); the label scheme has 0 (background), 1, 2",
    ),
    "negative label": (_values(LABEL, lambda v: _moved(v.astype("i2"), (0, 0, 0), -1)), LABEL, "has -1 (1 voxels)"),
    "label with fractions": (
        _values(LABEL, lambda v: _moved(v.astype("f4"), (1, 1, 1), 0.5)), LABEL, "whole numbers, not 0.5",
    ),
    "label with NaN": (_values(LABEL, lambda v: _moved(v.astype("f4"), (1, 1, 1), np.nan)), LABEL, "not nan"),
    "label with infinity": (_values(LABEL, lambda v: _moved(v.astype("f4"), (1, 1, 1), np.inf)), LABEL, "not inf"),
    "NaN in the image": (
        _values(IMAGE, lambda v: _moved(v.astype(np.float32), (5, 5, 5), np.nan)), IMAGE, "not numbers or not finite",
    ),
    "infinity in the image": (
        _values(IMAGE, lambda v: _moved(v.astype(np.float32), (5, 5, 5), np.inf)), IMAGE, "not numbers or not finite",
    ),
    "constant image": (_values(IMAGE, lambda v: np.full_like(v, -1000)), IMAGE, "is empty: every voxel is -1000"),
    "image without voxels": (_values(IMAGE, lambda v: v[:0]), IMAGE, "has no voxels"),
    "4-D image": (_values(IMAGE, lambda v: np.stack([v, v], -1)), IMAGE, "3 dimensions, not 4 (24 × 22 × 16 × 2)"),
    "truncated gzip": (_truncated(IMAGE), IMAGE, "it may be truncated: Compressed file ended before"),
    "truncated in its last bytes": (_truncated(IMAGE, -4), IMAGE, "be truncated: Compressed file ended before"),
    "truncated before it was compressed": (_truncated_inside, IMAGE, "it may be truncated"),
    "empty file": (lambda folder: (folder / LABEL).write_bytes(b""), LABEL, "it may be truncated"),
    "no NIfTI file": (lambda folder: (folder / LABEL).write_bytes(gzip.compress(b"x" * 400)), LABEL, "no NIfTI file"),
    "not compressed": (lambda folder: (folder / IMAGE).write_bytes(b"\x5c\x01" * 300), IMAGE, "Not a gzipped file"),
    "missing label": (lambda folder: (folder / LABEL).unlink(), LABEL, "the label is missing"),
    "missing image": (lambda folder: (folder / IMAGE).unlink(), IMAGE, "the image is missing"),
    "listed twice": (_listed_twice, LABEL, "two cases have this id"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILS)
def test_what_is_wrong_is_named_whole_cases_are_kept_and_a_rerun_reads_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    spoil, file, words = SPOILS[name]
    made = trees.msd(tmp_path)
    card, places = trees.shipped_card(made), DataPlaces(tmp_path)
    whole = tmp_path.with_name("whole")
    shutil.rmtree(whole, ignore_errors=True)
    shutil.copytree(made.folder, whole)
    spoil(made.folder)

    (problem,) = _problems(card, places)

    assert problem.case == "liver_2"
    assert problem.file is not None
    assert problem.file.resolve() == made.folder / file
    assert words in problem.message
    view = tmp_path / "prepared/msd-liver/Dataset003_Liver"
    assert sorted(p.name for p in (view / "labelsTr").iterdir()) == [f"liver_{i}.nii.gz" for i in (0, 4, 6, 8)]
    assert not (tmp_path / "prepared/msd-liver/index.json").exists()

    read = []
    real = examine.examine_case
    monkeypatch.setattr(examine, "examine_case", lambda case: read.append(case.id) or real(case))
    for part in (IMAGE, LABEL, "dataset.json"):
        shutil.copyfile(whole / part, made.folder / part)
    assert len(prepare(card, places, processes=1).cases) == 5
    assert read == ["liver_2"]


def _problems(card: TaskCard, places: DataPlaces) -> tuple[CaseProblem, ...]:
    with pytest.raises(BadData) as caught:
        prepare(card, places, processes=1)
    assert caught.value.exit_code == 4
    assert f"{len(caught.value.problems)} problem" in str(caught.value)
    return caught.value.problems


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    made = trees.msd(tmp_path)
    _values("labelsTr/liver_0.nii.gz", lambda v: v + 5)(made.folder)
    _truncated("imagesTr/liver_4.nii.gz")(made.folder)
    (made.folder / "labelsTr/liver_8.nii.gz").unlink()
    found = _problems(trees.shipped_card(made), DataPlaces(tmp_path))
    assert sorted(problem.case for problem in found) == ["liver_0", "liver_4", "liver_8"]


def test_affines_that_differ_by_rounding_are_the_same(tmp_path: Path) -> None:
    made = trees.msd(tmp_path)
    rounding = np.eye(4)
    rounding[:3, 3] = 1e-3
    _values(LABEL, lambda v: v, rounding @ np.diag([1 + 1e-6, 1, 1, 1]))(made.folder)
    assert len(prepare(trees.shipped_card(made), DataPlaces(tmp_path), processes=1).cases) == 5


def test_a_label_stored_as_whole_floating_point_numbers_is_right(tmp_path: Path) -> None:
    made = trees.msd(tmp_path)
    _values(LABEL, lambda v: v.astype(np.float32))(made.folder)
    assert len(prepare(trees.shipped_card(made), DataPlaces(tmp_path), processes=1).cases) == 5


def test_a_case_without_foreground_is_kept_and_counted(tmp_path: Path) -> None:
    made = trees.msd(tmp_path)
    _values(LABEL, np.zeros_like)(made.folder)
    assert len(prepare(trees.shipped_card(made), DataPlaces(tmp_path), processes=1).cases) == 5
    manifest = json.loads((tmp_path / "prepared/msd-liver/manifest.json").read_text())
    assert manifest["without_foreground"] == 1
    assert set(manifest["cases"]["liver_2"]["labels"]) == {"0"}


@pytest.mark.parametrize(
    ("remove", "words"),
    [
        ("imagesTr/patient_01_0001.nii.gz", "channel 1 is missing"),
        ("imagesTr/patient_01_0000.nii.gz", "channel 0 is missing"),
        ("labelsTr/patient_01.nii.gz", "the label is missing"),
    ],
)
def test_a_missing_channel_is_named(tmp_path: Path, remove: str, words: str) -> None:
    made = trees.nnunet(tmp_path, channels=2)
    (made.folder / remove).unlink()
    card = trees.own_card({"kind": "nnunet", "dataset": 123}, modality=["CT", "T1"])
    (problem,) = _problems(card, DataPlaces(tmp_path))
    assert (problem.case, problem.file, problem.message) == ("patient_01", made.folder / remove, words)


def test_a_channel_too_many_and_one_on_another_grid_are_named(tmp_path: Path) -> None:
    made = trees.nnunet(tmp_path, channels=2)
    shutil.copy(made.folder / "imagesTr/patient_01_0000.nii.gz", made.folder / "imagesTr/patient_01_0002.nii.gz")
    _values("imagesTr/patient_02_0001.nii.gz", lambda v: v[:-1])(made.folder)
    card = trees.own_card({"kind": "nnunet", "dataset": 123}, modality=["CT", "T1"])
    first, second = _problems(card, DataPlaces(tmp_path))
    assert "names 2 channels, and this is one more" in first.message
    assert (second.case, second.message) == ("patient_02", "has 23 × 22 × 16 voxels where the image has 24 × 22 × 16")


def test_datalist_entries_of_one_name_need_ids_of_their_own(tmp_path: Path) -> None:
    trees.datalist(tmp_path)
    file = tmp_path / "datalist.json"
    found = json.loads(file.read_text())
    found["training"].append({**found["training"][1]})
    found["training"].append({"image": "site0/scan2/scan2.nii.gz", "id": "new"})
    found["training"].append("scan")
    found["training"].append({**found["training"][2], "id": "../../outside"})
    file.write_text(json.dumps(found))
    card = trees.own_card({"kind": "datalist", "path": "datalist.json"}, cases=8)
    found = {problem.case: problem.message for problem in _problems(card, DataPlaces(tmp_path))}
    assert "two cases have this id" in found["scan1"]
    assert found["new"] == "training[5] has no label"
    assert "must have an image" in found["training[6]"]
    assert "usable as a file's name" in found["../../outside"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cases": 131}, "has 5 labelled cases where the card says 131"),
        ({"original_labels": {"liver": 1}}, "has the labels [1, 2] where the card says [1]"),
        ({"modality": ("CT", "PET")}, "has 1 channels; the card says 2"),
    ],
)
def test_a_card_that_does_not_fit_its_dataset_is_refused(tmp_path: Path, change: dict, words: str) -> None:
    card = trees.shipped_card(trees.msd(tmp_path), **change)
    assert any(words in problem.message for problem in _problems(card, DataPlaces(tmp_path)))


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "can't be read as JSON"), ("[]", "must hold a JSON object"), ("{}", "is the dataset whole?")],
)
def test_a_broken_description_is_named(tmp_path: Path, text: str, words: str) -> None:
    made = trees.msd(tmp_path)
    (made.folder / "dataset.json").write_text(text)
    with pytest.raises(MissingEnvironment, match=words.replace("?", r"\?")) as caught:
        prepare(trees.shipped_card(made), DataPlaces(tmp_path), processes=1)
    assert str(made.folder / "dataset.json") in str(caught.value)


@pytest.mark.parametrize(
    "entry",
    ["case", {}, {"images": ["a.nii.gz"]}, {"images": "a.nii.gz", "label": "b"}, {"images": [], "label": "b"}],
)
def test_an_entry_of_a_version_2_dataset_without_its_files_is_one_bad_case(tmp_path: Path, entry: object) -> None:
    made = trees.nnunet(tmp_path)
    listed = {id: {"images": [f"imagesTr/{id}_0000.nii.gz"], "label": f"labelsTr/{id}.nii.gz"} for id in made.labels}
    _describe(made, dataset=listed | {"patient_02": entry})
    (problem,) = _problems(trees.own_card({"kind": "nnunet", "dataset": 123}), DataPlaces(tmp_path))
    assert (problem.case, problem.file) == ("patient_02", made.folder / "dataset.json")
    assert problem.message == "must have images, a list of paths, and a label, a path"


def _describe(made: trees.Made, **said: object) -> None:
    file = made.folder / "dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | said))


def test_labels_in_a_list_say_nothing_and_leave_the_card_its_word(tmp_path: Path) -> None:
    made = [trees.msd(tmp_path), trees.nnunet(tmp_path)]
    cards = [trees.shipped_card(made[0]), trees.own_card({"kind": "nnunet", "dataset": 123})]
    for one, card in zip(made, cards, strict=True):
        _describe(one, labels=["background", "liver", "tumour"])
        assert len(prepare(card, DataPlaces(tmp_path), processes=1).cases) == 5


@pytest.mark.parametrize(("modality", "channels"), [(["CT"], 1), ("CT", 1), (7, 1), (["CT", "PET"], 2)])
def test_channels_of_a_decathlon_task_are_counted_however_they_are_written(
    tmp_path: Path, modality: object, channels: int
) -> None:
    made = trees.msd(tmp_path)
    _describe(made, modality=modality)
    card, places = trees.shipped_card(made), DataPlaces(tmp_path)
    if channels == 1:
        assert len(prepare(card, places, processes=1).cases) == 5
    else:
        (problem,) = _problems(card, places)
        assert problem.message == "has 1 and 2 channels; the card says 1"


def test_a_list_of_cases_that_is_none_lists_nothing(tmp_path: Path) -> None:
    trees.datalist(tmp_path)
    (tmp_path / "datalist.json").write_text(json.dumps({"training": 3, "validation": "all"}))
    with pytest.raises(MissingEnvironment, match="must list cases as `training` or `validation`"):
        prepare(trees.own_card({"kind": "datalist", "path": "datalist.json"}), DataPlaces(tmp_path), processes=1)


def test_a_dataset_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    card = trees.own_card({"kind": "nnunet", "dataset": 7})
    with pytest.raises(MissingEnvironment, match="task mine: its dataset is not there"):
        prepare(card, DataPlaces(tmp_path), processes=1)


def test_two_datasets_of_one_number_are_refused_by_their_names(tmp_path: Path) -> None:
    trees.nnunet(tmp_path, cases=1)
    trees.nnunet(tmp_path, "Dataset123_Other", cases=1)
    with pytest.raises(MissingEnvironment, match="Dataset123_Mine, Dataset123_Other; write the name of one"):
        prepare(trees.own_card({"kind": "nnunet", "dataset": 123}), DataPlaces(tmp_path), processes=1)


@pytest.mark.parametrize("disk", ["1m"], indirect=True)
def test_a_disk_that_fills_up_is_said_with_the_file_and_the_rerun_goes_on(
    tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    made = trees.msd(tmp_path / "source")
    for path in (made.folder / "imagesTr").glob("liver_*"):
        noise = np.random.default_rng(0).integers(0, 2**15, trees.SHAPE, dtype=np.int16)
        trees.save(path, noise, nibabel.load(path).affine)
    list_ = {"training": json.loads((made.folder / "dataset.json").read_text())["training"]}
    (made.folder / "list.json").write_text(json.dumps(list_))
    card = trees.own_card({"kind": "datalist", "path": str(made.folder / "list.json")})
    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "symlink", refuse)  # so that files must be copied onto the small disk
    filler = disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free - 90_000))

    with pytest.raises(MissingEnvironment) as caught:
        prepare(card, DataPlaces(disk), processes=1)

    said = str(caught.value)
    assert "the disk is full; free some space" in said
    view = disk / "prepared/mine/Dataset500_list"
    assert said.startswith(f"{view}/imagesTr/liver_")
    kept = [file for file in view.rglob("*.nii.gz") if file.is_file()]
    assert kept
    assert all(gzip.decompress(file.read_bytes()) for file in kept)
    assert "the same command goes on from here" in said
    filler.unlink()
    assert len(prepare(card, DataPlaces(disk), processes=1).cases) == 5
    assert not list(disk.rglob("*.tmp"))


@given(
    ids=st.lists(st.sampled_from("abcde"), min_size=1, max_size=8),
    broken=st.sets(st.sampled_from("abcde")),
)
def test_a_case_is_kept_exactly_if_its_id_is_alone_and_nothing_is_wrong_with_it(
    ids: list[str], broken: set[str]
) -> None:
    here = Path(__file__)
    entries = [(RawCase(id, (here,), here), [CaseProblem(id, None, "wrong")] if id in broken else []) for id in ids]
    kept, problems = gathered(entries)
    assert [case.id for case in kept] == sorted(id for id in set(ids) - broken if ids.count(id) == 1)
    assert {problem.case for problem in problems} == set(ids) - {case.id for case in kept}


def _killed_at_one(case: RawCase, real: Callable[[RawCase], list] = examine.examine_case) -> list:
    if case.id == "liver_8":
        os.kill(os.getpid(), signal.SIGKILL)
    return real(case)


def test_a_process_that_is_killed_for_want_of_memory_is_said_with_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trees.msd(tmp_path)
    monkeypatch.setattr(examine, "examine_case", _killed_at_one)
    with pytest.raises(MissingEnvironment, match=r"want of memory \(2 worked side by side\); use fewer --processes"):
        prepare(trees.shipped_card(made), DataPlaces(tmp_path), processes=2)
    monkeypatch.undo()
    assert len(prepare(trees.shipped_card(made), DataPlaces(tmp_path), processes=1).cases) == 5


def test_a_case_that_turns_bad_after_a_preparation_is_taken_out(tmp_path: Path) -> None:
    made = trees.msd(tmp_path)
    card, places = trees.shipped_card(made), DataPlaces(tmp_path)
    folder = prepare(card, places, processes=1).folder
    _truncated(IMAGE)(made.folder)
    assert len(_problems(card, places)) == 1
    assert not list(folder.rglob("liver_2*"))
    assert len(list(folder.rglob("liver_*"))) == 8
