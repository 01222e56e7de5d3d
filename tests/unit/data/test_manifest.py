"""Manifests: the same bytes give the same digest anywhere, and other bytes are named by their case."""

from __future__ import annotations

import copy
import json
import os
import shutil
import string
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import public_trees as trees
from clbench.data import examine
from clbench.data.available import manifest_digest, prepared_datasets, require
from clbench.data.dataset import RawCase
from clbench.data.imaging import examine_label
from clbench.data.manifest import differences, make_manifest, manifest_bytes, read_manifest
from clbench.data.memory import Memory
from clbench.data.prepare import prepare, verify
from clbench.data.telling import Silence
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.places import DataPlaces
from clbench.errors import MissingEnvironment
from clbench.store import file_digest


def _prepared(root: Path) -> tuple[trees.Made, trees.TaskCard, DataPlaces]:
    made = trees.msd(root)
    card, places = trees.shipped_card(made), DataPlaces(root)
    prepare(card, places, processes=1)
    return made, card, places


def test_a_manifest_says_of_every_case_its_bytes_its_grid_and_its_labels(tmp_path: Path) -> None:
    made, card, places = _prepared(tmp_path)
    manifest = read_manifest(places.prepared(card.name) / "manifest.json")
    assert list(manifest["cases"]) == sorted(made.labels)
    case = manifest["cases"]["liver_4"]
    assert case["sha256"] == {
        "image_0000": file_digest(made.folder / "imagesTr/liver_4.nii.gz"),
        "label": file_digest(made.folder / "labelsTr/liver_4.nii.gz"),
    }
    values, counts = np.unique(made.labels["liver_4"], return_counts=True)
    assert case["labels"] == {str(value): int(count) for value, count in zip(values, counts, strict=True)}
    assert case["shape"] == list(trees.SHAPE)
    assert case["spacing"] == pytest.approx(trees.anatomy_case("mini-liver", 0).spacing, rel=1e-6)
    assert case["orientation"] == "RAS"
    assert (manifest["labels"], manifest["channels"]) == ({"liver": 1, "cancer": 2}, ["CT"])
    assert str(tmp_path) not in (places.prepared(card.name) / "manifest.json").read_text()


def test_the_same_bytes_have_the_same_digest_in_another_place_and_by_any_number_of_processes(tmp_path: Path) -> None:
    _, card, places = _prepared(tmp_path / "here")
    trees.msd(tmp_path / "there/CT")
    dataset = prepare(card, DataPlaces(tmp_path / "there"), processes=2)
    assert dataset.manifest == manifest_digest(card, places)
    files = [tmp_path / place / "prepared/msd-liver/manifest.json" for place in ("here", "there")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_two_tasks_over_one_dataset_share_its_digest_and_read_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, card, places = _prepared(tmp_path)
    monkeypatch.setattr(examine, "examine_case", None)
    other = card.model_copy(update={"name": "liver-and-tumour", "labels": {"liver": (1, 2)}})
    assert prepare(other, places, processes=1).manifest == manifest_digest(card, places)


def test_a_touched_file_is_read_again_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, card, places = _prepared(tmp_path)
    before = manifest_digest(card, places)
    os.utime(made.folder / "imagesTr/liver_2.nii.gz", (1, 1))
    assert manifest_digest(card, places) is None
    read, real = [], examine.examine_case
    monkeypatch.setattr(examine, "examine_case", lambda case: read.append(case.id) or real(case))
    assert prepare(card, places, processes=1).manifest == before
    assert read == ["liver_2"]


def _add_a_case(made: trees.Made) -> None:
    for part in ("imagesTr", "labelsTr"):
        shutil.copyfile(made.folder / part / "liver_0.nii.gz", made.folder / part / "liver_99.nii.gz")


def _change_a_label(made: trees.Made) -> None:
    file = made.folder / "labelsTr/liver_2.nii.gz"
    trees.save(file, 1 - (made.labels["liver_2"] > 0).astype(np.uint8), made.affines["liver_2"])


@pytest.mark.parametrize(
    "change", [_add_a_case, _change_a_label, lambda made: (made.folder / "labelsTr/liver_2.nii.gz").unlink()]
)
def test_a_dataset_that_changed_counts_as_not_prepared(tmp_path: Path, change: object) -> None:
    made, card, places = _prepared(tmp_path)
    assert callable(change)
    change(made)
    assert manifest_digest(card, places) is None
    assert prepared_datasets([card], places) == {}


def test_a_changed_card_needs_another_preparation(tmp_path: Path) -> None:
    _, card, places = _prepared(tmp_path)
    assert manifest_digest(card.model_copy(update={"original_labels": {"a": 1, "b": 2}}), places) is None
    assert manifest_digest(card.model_copy(update={"labels": {"a": (1, 2)}}), places) is not None


def test_a_replaced_file_is_linked_anew(tmp_path: Path) -> None:
    made, card, places = _prepared(tmp_path)
    before = manifest_digest(card, places)
    (made.folder / "labelsTr/liver_2.nii.gz").unlink()
    _change_a_label(made)
    dataset = prepare(card, places, processes=1)
    assert dataset.manifest != before
    label = nibabel.load(dataset.by_id["liver_2"].label)
    assert np.array_equal(np.asanyarray(label.dataobj), 1 - (made.labels["liver_2"] > 0))


def test_verifying_finds_bytes_that_changed_under_the_same_time_and_size(tmp_path: Path) -> None:
    made, card, places = _prepared(tmp_path)
    assert verify(card, places, processes=1) == []
    file = made.folder / "imagesTr/liver_6.nii.gz"
    stat, data = file.stat(), bytearray(file.read_bytes())
    data[4] ^= 1  # the time in gzip's header, which changes no voxel
    file.write_bytes(data)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert manifest_digest(card, places) is not None
    assert verify(card, places, processes=1) == ["case liver_6 differs in the bytes of image_0000"]


def test_a_published_manifest_names_the_cases_that_differ(tmp_path: Path) -> None:
    _, card, places = _prepared(tmp_path / "ours")
    theirs = trees.msd(tmp_path / "theirs", cases=6)
    _change_a_label(theirs)
    (theirs.folder / "imagesTr/liver_4.nii.gz").write_bytes(b"damaged")
    found = verify(card, DataPlaces(tmp_path / "theirs"), places.prepared(card.name) / "manifest.json", processes=1)
    assert found == [
        "case liver_4 can't be read",
        "case liver_10 is only here",
        "case liver_2 differs in labels, the bytes of label",
    ]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda file: file.unlink(), "No such file or directory; `clbench data prepare TASK` writes manifests"),
        (lambda file: file.write_text("[]"), "is no manifest"),
        (lambda file: file.write_text(file.read_text().replace("RAS", "LPS", 1)), "its digest does not fit"),
    ],
)
def test_a_manifest_that_was_changed_by_hand_is_refused(tmp_path: Path, spoil: object, words: str) -> None:
    _, card, places = _prepared(tmp_path)
    assert callable(spoil)
    spoil(places.prepared(card.name) / "manifest.json")
    with pytest.raises(MissingEnvironment, match=words):
        verify(card, places, processes=1)


def test_require_prepares_what_lies_there_and_names_all_that_is_missing_before(tmp_path: Path) -> None:
    made = trees.msd(tmp_path)
    card, places = trees.shipped_card(made), DataPlaces(tmp_path)
    lacking = [Catalogue.open().task(name) for name in ("msd-lung", "kits21")]
    own = trees.own_card({"kind": "nnunet", "dataset": 77})
    with pytest.raises(MissingEnvironment) as caught:
        require([card, *lacking, own], places, Silence())
    said = str(caught.value)
    assert manifest_digest(card, places) is None
    for word in ("msd-lung", "Task06_Lung.tar", "8.5 GB", "CC BY-SA 4.0", "github.com/neheller/kits21", "dataset 77"):
        assert word in said
    assert "clbench data fetch msd-lung kits21" in said
    require([card, Catalogue.open().task("mini-liver")], places, Silence())
    assert manifest_digest(card, places) == prepared_datasets([card], places)[card.name].manifest


def test_kits_without_images_counts_as_missing(tmp_path: Path) -> None:
    made = trees.kits(tmp_path, images=False)
    with pytest.raises(MissingEnvironment, match="clbench data fetch kits21"):
        require([trees.shipped_card(made)], DataPlaces(tmp_path), Silence())


def test_an_embedded_task_has_an_empty_digest_and_needs_no_place(tmp_path: Path) -> None:
    card = Catalogue.open().task("mini-liver")
    assert manifest_digest(card, DataPlaces(tmp_path / "nowhere")) == ""


@given(
    values=st.lists(st.integers(-5, 5000), min_size=8, max_size=8), type=st.sampled_from(["<i2", "<i4", "<f4", ">i2"])
)
def test_the_label_histogram_counts_every_voxel(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], type: str
) -> None:
    file = tmp_path_factory.mktemp("label") / "label.nii.gz"
    image = nibabel.Nifti1Image(np.array(values, dtype=type).reshape(2, 2, 2), np.eye(4), dtype=type)
    nibabel.save(image, file)
    assert examine_label(file)["values"] == {str(value): values.count(value) for value in sorted(set(values))}


@pytest.mark.parametrize("scale", [(1, 0), (2.5, -7), (0.001, 3)])
def test_scaled_values_are_counted_as_they_are_meant(tmp_path: Path, scale: tuple[float, float]) -> None:
    image = nibabel.Nifti1Image(np.arange(64, dtype=np.int16).reshape(4, 4, 4), np.eye(4))
    image.header.set_slope_inter(*scale)
    nibabel.save(image, tmp_path / "image.nii")
    from clbench.data.imaging import examine_image

    meant = nibabel.load(tmp_path / "image.nii").get_fdata()
    assert examine_image(tmp_path / "image.nii")["range"] == pytest.approx([meant.min(), meant.max()])


IDS = st.text(string.ascii_letters, min_size=1, max_size=3)
HASHES = st.text("0123456789abcdef", min_size=4, max_size=4)
FACTS = st.builds(
    lambda image, label, counts: [
        {"sha256": image, "shape": [2, 2, 2], "spacing": [1.0, 1.0, 1.0], "orientation": "RAS"},
        {"sha256": label, "values": counts},
    ],
    HASHES, HASHES, st.dictionaries(st.sampled_from("012"), st.integers(1, 9)),
)  # fmt: skip


@given(facts=st.dictionaries(IDS, FACTS, max_size=4), chosen=st.data())
def test_manifests_differ_exactly_if_their_digests_do(facts: dict, chosen: st.DataObject) -> None:
    other = copy.deepcopy(facts)
    if facts and chosen.draw(st.booleans()):
        id = chosen.draw(st.sampled_from(sorted(facts)))
        other[id] = chosen.draw(FACTS)
    ours = make_manifest("a", {}, {"x": 1}, ["CT"], None, facts)
    theirs = make_manifest("b", {"path": "/elsewhere"}, {"x": 1}, ["CT"], None, dict(reversed(other.items())))
    assert (ours["digest"] == theirs["digest"]) == (differences(ours, theirs) == []) == (facts == other)
    assert json.loads(manifest_bytes(ours)) == ours


def test_what_is_remembered_of_a_file_is_forgotten_when_it_changes(tmp_path: Path) -> None:
    memory, file = Memory(tmp_path / "known"), tmp_path / "file"
    file.write_bytes(b"one")
    memory.keep([file], 1)
    assert (memory.recall([file]), memory.recall([file], "md5")) == (1, None)
    file.write_bytes(b"three")
    assert memory.recall([file]) is None
    file.unlink()
    assert memory.recall([file]) is None


def test_an_interrupted_reading_keeps_what_it_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trees.msd(tmp_path)
    card, places = trees.shipped_card(made), DataPlaces(tmp_path)
    read, real = [], examine.examine_case

    def examine_two(case: RawCase) -> list:
        if len(read) == 2:
            raise KeyboardInterrupt
        read.append(case.id)
        return real(case)

    monkeypatch.setattr(examine, "examine_case", examine_two)
    with pytest.raises(KeyboardInterrupt):
        prepare(card, places, processes=1)
    first, read[:] = set(read), []
    monkeypatch.setattr(examine, "examine_case", lambda case: read.append(case.id) or real(case))
    prepare(card, places, processes=1)
    assert first | set(read) == set(made.labels)
    assert not first & set(read)


WORK = """
import sys, time
from pathlib import Path
from clbench.data import examine
from clbench.data.dataset import RawCase
from clbench.data.memory import Memory

def slow(case):
    print(flush=True)
    time.sleep(600)

examine.examine_case = slow
here = Path(sys.argv[0])
cases = [RawCase(str(number), (here,), here) for number in range(4)]
examine.examine(cases, Memory(here.parent / "known"), 2, lambda done, total: None)
"""


def test_workers_end_when_the_program_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(WORK)
    program = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, start_new_session=True)
    assert program.stdout
    assert [program.stdout.readline() for _ in range(2)] == [b"\n", b"\n"], "both workers are at work"
    program.kill()
    program.wait()
    assert program.stdout.read() == b"", "the workers' end closes the pipe"
