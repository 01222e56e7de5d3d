"""A dataset of the user's own in nnU-Net's raw layout: read in place, its labels mapped, its cases kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from blosc2 import open as open_blosc2

from clbench.data.dataset import RawCase, RawDataset
from clbench.data.raw import case_id, image_path, label_path, write_case, write_description
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import MsdSource
from clbench.definitions.resolve import resolve
from clbench.errors import MissingEnvironment
from clbench.job.prepare import prepare
from clbench.job.prepared import Prepared
from clbench.job.stage import run_stage
from clbench.plan import Plan
from clbench.plan.expand import make_plan
from clbench.store import Store, file_digest

BENCHMARK = """
name: own
version: 1
title: Own data after an embedded task
scenario: task-incremental
sequence: [mini-kidney, mini-liver]
backbone: {{configuration: 3d_fullres, spacing: [12, 12, 12], patch: [16, 16, 16], features: [4, 8, 8],
           intensities_from: {intensities}}}
optimizer: {{lr: 0.05, momentum: 0.9}}
budget: {{epochs: 1, epoch: {{iterations: 1}}}}
sample: {{train: 4, val: 1, seed: 0, ids: {{mini-kidney: {{train: [kidney_000, kidney_001, kidney_002], val: [kidney_004]}}}}}}
protocols: {{continual: {{baselines: [finetune]}}}}
seeds: [0]
"""  # noqa: E501
CASES = 6


class OwnData:
    """Six kidney cases in a folder of their own, whose card wants the lesions alone."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / "raw" / "Dataset135_Own"
        self.card = Catalogue.open().task("mini-kidney")
        for index in range(CASES):
            write_case(self.folder, self.card, index)
        write_description(self.folder, self.card, CASES)

    def dataset(self, manifest: str = "m") -> RawDataset:
        """What a source makes of the folder."""
        ids = [case_id(self.card, index) for index in range(CASES)]
        cases = [RawCase(case, (image_path(self.folder, case),), label_path(self.folder, case)) for case in ids]
        return RawDataset(self.folder, tuple(cases), manifest)

    def plan(self, intensities: str = "original", manifest: str = "m") -> Plan:
        """A plan whose first task is this dataset, with a card that leaves the number of cases out."""
        suite = self.root / "suite"
        (suite / "benchmark").mkdir(parents=True, exist_ok=True)
        (suite / "benchmark" / "own.yaml").write_text(BENCHMARK.format(intensities=intensities))
        resolved = resolve("own", Catalogue.open((suite,)))
        source = MsdSource(kind="msd", folder="Dataset135_Own", url="-", md5="0" * 32, licence="-")
        changes = {"labels": {"lesion": (2, 3)}, "source": source, "cases": None}
        resolved.tasks["mini-kidney"] = resolved.tasks["mini-kidney"].model_copy(update=changes)
        return make_plan(resolved, self.root / "store", {"mini-kidney": self.dataset(manifest)})

    def prepared(self, intensities: str = "original") -> Prepared:
        """The plan's preparation, carried out."""
        job = self.plan(intensities).jobs[0]
        folder = Store(self.root / "store").job(job.id)
        folder.path.mkdir(parents=True, exist_ok=True)
        prepare(job, folder, threads=2)
        return Prepared(folder)

    def original(self, case: str) -> np.ndarray:
        """A case's label in its own numbers, in nnU-Net's axis order."""
        return np.asanyarray(nibabel.load(label_path(self.folder, case)).dataobj).transpose(2, 1, 0)

    def intensities(self, case: str) -> np.ndarray:
        """A case's image in nnU-Net's axis order."""
        return np.asanyarray(nibabel.load(image_path(self.folder, case)).dataobj).transpose(2, 1, 0)


@pytest.fixture
def own(tmp_path: Path) -> OwnData:
    """Own data in a fresh folder."""
    return OwnData(tmp_path)


def test_raw_data_stay_where_and_as_they_are_and_nothing_of_them_is_copied(own: OwnData) -> None:
    before = {file: (file_digest(file), file.stat().st_mtime_ns) for file in own.folder.rglob("*") if file.is_file()}
    prepared = own.prepared()
    assert {f: (file_digest(f), f.stat().st_mtime_ns) for f in own.folder.rglob("*") if f.is_file()} == before
    assert prepared.tasks["mini-kidney"].raw == own.folder
    assert [path.name for path in (prepared.folder.path / "raw").iterdir()] == ["Dataset003_MiniLiver"]


def test_labels_are_mapped_in_training_data_in_their_locations_and_in_the_reference(own: OwnData) -> None:
    task = own.prepared().tasks["mini-kidney"]
    assert (task.train, task.val) == (("kidney_000", "kidney_001", "kidney_002"), ("kidney_004",))
    assert task.dataset_json["labels"] == {"background": 0, "lesion": 1}
    seg = open_blosc2(str(task.preprocessed / "kidney_000_seg.b2nd"))[:]
    assert set(np.unique(seg)) == {0, 1}
    locations = np.load(task.preprocessed / "kidney_000.pkl", allow_pickle=True)["class_locations"]
    assert list(locations) == [1]
    assert all(seg[tuple(place)] == 1 for place in locations[1])
    np.testing.assert_array_equal(task.reference_label("kidney_004"), own.original("kidney_004") >= 2)


@pytest.mark.parametrize("intensities", ["original", "labels"])
def test_ct_statistics_are_of_the_original_foreground_unless_the_definition_wants_the_labels(
    own: OwnData, intensities: str
) -> None:
    """The plan pools both tasks, so it is held against the same pool computed here from the files."""
    prepared = own.prepared(intensities)
    least = 1 if intensities == "original" else 2
    task, liver = prepared.tasks["mini-kidney"], prepared.tasks["mini-liver"]
    own_mean = np.mean([own.intensities(c)[own.original(c) >= least].mean() for c in task.train])
    liver_mean = np.mean([_foreground(liver.raw, case).mean() for case in liver.train])
    statistics = prepared.plans["foreground_intensity_properties_per_channel"]["0"]
    assert statistics["mean"] == pytest.approx((own_mean + liver_mean) / 2, abs=0.5)


def _foreground(raw: Path, case: str) -> np.ndarray:
    image, label = nibabel.load(image_path(raw, case)), nibabel.load(label_path(raw, case))
    return np.asanyarray(image.dataobj)[np.asanyarray(label.dataobj) > 0]


def test_after_preparation_training_and_evaluation_need_no_raw_data(own: OwnData) -> None:
    own.prepared()
    volume = float((own.original("kidney_004") >= 2).sum() * 6.3**3 / 1000)
    plan, store = own.plan(), Store(own.root / "store")
    shutil.rmtree(own.folder)
    result = run_stage(plan, plan.jobs[1], store)
    found = {m["metric"]: m["value"] for m in result["measurements"] if m["task"] == "mini-kidney"}
    assert found["reference_ml"] == pytest.approx(volume, rel=1e-5)


def test_where_a_dataset_lies_is_no_part_of_a_jobs_identity_and_its_bytes_are(own: OwnData) -> None:
    first, other = own.plan(), own.plan(manifest="other bytes")
    moved = own.folder.with_name("Dataset136_Moved")
    own.folder.rename(moved)
    own.folder = moved
    assert own.plan().jobs[0].id == first.jobs[0].id
    assert own.plan().jobs[0].spec["datasets"]["mini-kidney"]["folder"] == str(moved)
    assert other.jobs[0].id != first.jobs[0].id


def test_unreadable_cases_are_named_together_and_the_next_attempt_does_only_what_is_left(own: OwnData) -> None:
    images = [image_path(own.folder, case) for case in ("kidney_001", "kidney_004")]
    whole = {image: image.read_bytes() for image in images}
    for image in images:
        image.write_bytes(whole[image][:-1000])
    with pytest.raises(MissingEnvironment) as first:
        own.prepared()
    assert f"task mini-kidney, case kidney_001: {images[0]}: can't be used" in str(first.value)

    images[0].write_bytes(whole[images[0]])
    folder = Store(own.root / "store").job(own.plan().jobs[0].id).path
    looked = {file: file.stat().st_mtime_ns for file in (folder.parent.parent / "fingerprints").iterdir()}
    assert len(looked) == 2 + 4
    with pytest.raises(MissingEnvironment) as second:
        own.prepared()
    assert f"task mini-kidney, case kidney_004: {images[1]}: can't be used" in str(second.value)
    assert "kidney_001" not in str(second.value)
    assert {file: file.stat().st_mtime_ns for file in looked} == looked

    images[1].write_bytes(whole[images[1]])
    kept = {file: file.stat().st_mtime_ns for file in (folder / "preprocessed").rglob("*.b2nd")}
    assert len(kept) == 2 * (3 + 5)
    task = own.prepared().tasks["mini-kidney"]
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert (task.preprocessed / "kidney_004.b2nd").exists()
    assert not (folder / "seals").exists()


def test_a_case_that_was_damaged_after_it_was_done_is_done_again(own: OwnData) -> None:
    """An attempt ends after preprocessing; then one of its files loses its end."""
    image = image_path(own.folder, "kidney_004")
    whole = image.read_bytes()
    image.write_bytes(whole[:-1000])
    with pytest.raises(MissingEnvironment):
        own.prepared()
    image.write_bytes(whole)
    folder = Store(own.root / "store").job(own.plan().jobs[0].id).path
    damaged = next((folder / "preprocessed").rglob("kidney_002.b2nd"))
    before = open_blosc2(str(damaged))[:]
    damaged.write_bytes(damaged.read_bytes()[:-10])
    own.prepared()
    np.testing.assert_array_equal(open_blosc2(str(damaged))[:], before)


def test_a_disk_that_fills_up_is_named_with_the_case_and_whole_cases_are_kept(own: OwnData, disk: Path) -> None:
    """An attempt leaves one case to do; the next finds room for little more than the plan."""
    (own.root / "store").symlink_to(disk)
    image = image_path(own.folder, "kidney_004")
    whole = image.read_bytes()
    image.write_bytes(whole[:-1000])
    with pytest.raises(MissingEnvironment, match="can't be used"):
        own.prepared()
    image.write_bytes(whole)
    kept = {file: file.stat().st_mtime_ns for file in disk.rglob("preprocessed/**/*.pkl")}
    assert len(kept) == 3 + 5

    filler = disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free - 2**15))
    with pytest.raises(MissingEnvironment, match=r"task mini-kidney, case kidney_004: .*the disk is full"):
        own.prepared()

    filler.unlink()
    task = own.prepared().tasks["mini-kidney"]
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert set(np.unique(open_blosc2(str(task.preprocessed / "kidney_004_seg.b2nd"))[:])) == {0, 1}


def test_an_ignore_label_is_refused(own: OwnData) -> None:
    file = own.folder / "dataset.json"
    description = json.loads(file.read_text())
    file.write_text(json.dumps(description | {"labels": {**description["labels"], "ignore": 4}}))
    with pytest.raises(MissingEnvironment, match=r"task mini-kidney: .*dataset\.json: labels\.ignore"):
        own.plan()
