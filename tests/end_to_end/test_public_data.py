"""Datasets in their public layouts go through plan, run and report by one command, untouched by hand."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import public_trees as trees
from clbench.definitions.catalogue import Catalogue
from clbench.run import Places

pytestmark = pytest.mark.slow

LABELS = ("vessel", "tumour")
BENCHMARK = """\
name: public
version: 1
title: Two public layouts and a dataset of one's own in sequence, a public one held out
scenario: task-incremental
sequence: [msd-liver, kits21, mine]
backbone: {configuration: 3d_fullres, spacing: [12, 12, 12], patch: [16, 16, 16], features: [4, 8, 8], mirror: false}
budget: {epochs: 1, epoch: {iterations: 2}}
sample: {train: 4, val: 1, seed: 0}
protocols:
  continual: {baselines: [finetune]}
  transfer: {targets: [msd-hepaticvessel], from: [finetune]}
seeds: [0]
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """The shipped cards with seven cases each, a card of one's own, and a benchmark."""
    for folder in ("tasks", "benchmark"):
        (tmp_path / "suite" / folder).mkdir(parents=True)
    for name in ("msd-liver", "msd-hepaticvessel", "kits21"):
        card = yaml.safe_load(Catalogue.open().file("task", name).read_text()) | {"cases": 7}
        (tmp_path / "suite/tasks" / f"{name}.yaml").write_text(yaml.safe_dump(card))
    own = "name: mine\nversion: 1\ntitle: Mine\nlabels: all\nsource: {kind: nnunet, dataset: 123}\n"
    (tmp_path / "suite/tasks/mine.yaml").write_text(own)
    (tmp_path / "suite/benchmark/public.yaml").write_text(BENCHMARK)
    return tmp_path / "suite"


def _datasets(folder: Path) -> None:
    trees.msd(folder, "Task03_Liver", cases=7)
    trees.msd(folder, "Task08_HepaticVessel", cases=7, unlabelled=0)
    trees.kits(folder, "kits21", cases=7)
    trees.nnunet(folder, cases=7)


def test_what_was_published_is_prepared_planned_run_and_reported_by_commands_alone(
    program: Any, suite: Path, tmp_path: Path
) -> None:
    _datasets(tmp_path / "data")
    words = ("public", "--suite", suite, "--data", "data")

    said = [program("data", "prepare", *words), program("plan", *words), program("run", *words, "--out", "out")]
    said.append(program("report", "out"))

    assert [one.code for one in said] == [0, 0, 0, 0], [one.err for one in said]
    with open(tmp_path / "out/rows.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "dice"]
    assert {(row["protocol"], row["task"], row["label"]) for row in rows} == {
        ("continual", "msd-liver", "tumour"), ("continual", "kits21", "tumour"), ("continual", "mine", "foreground"),
        ("transfer", "msd-hepaticvessel", "vessel"), ("transfer", "msd-hepaticvessel", "tumour"),
    }  # fmt: skip
    assert {row["case"] for row in rows if row["task"] == "kits21"} < {"case_00005", "case_00006"}
    for page in (said[3].out, (tmp_path / "out/report.md").read_text()):
        assert all(f"Transfer to {label} of msd-hepaticvessel: Dice over epochs" in page for label in LABELS)
    _same_again(program, words, tmp_path)


def _same_again(program: Any, words: tuple[object, ...], tmp_path: Path) -> None:
    """The data's digest is in the plan, and a second run has nothing to do."""
    manifest = json.loads((tmp_path / "data/prepared/kits21/manifest.json").read_text())
    plan = (tmp_path / "out/plan.json").read_text()
    assert manifest["digest"] in plan
    again = program("run", *words, "--out", "out")
    assert again.code == 0
    assert again.err.startswith("nothing to do: ")
    assert json.loads((tmp_path / "out/plan.json").read_text()) == json.loads(plan)


def test_other_bytes_are_other_jobs_and_other_places_are_not(program: Any, suite: Path, tmp_path: Path) -> None:
    for place in ("here", "there"):
        _datasets(tmp_path / place)
        assert program("data", "prepare", "public", "--suite", suite, "--data", place).code == 0

    def ids(place: str) -> list[str]:
        said = program("plan", "public", "--suite", suite, "--data", place, "--json")
        return [job["id"] for job in json.loads(said.out)["jobs"]]

    here = ids("here")
    assert ids("there") == here
    label = next((tmp_path / "there/Task03_Liver/labelsTr").glob("liver_4*"))
    data = bytearray(label.read_bytes())
    data[4] ^= 1
    label.unlink()
    label.write_bytes(data)
    assert program("data", "prepare", "msd-liver", "--suite", suite, "--data", "there").code == 0
    assert not set(ids("there")) & set(here)


def test_two_folders_draw_the_same_cases(suite: Path, tmp_path: Path) -> None:
    """Other paths, and files that were written in another order: two machines."""
    _datasets(tmp_path / "here")
    _datasets(tmp_path / "made")
    for file in sorted((tmp_path / "made").rglob("*"), reverse=True):
        copy = tmp_path / "there/deeper" / file.relative_to(tmp_path / "made")
        if file.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)

    here, there = (
        Places((suite,), tmp_path / place / "store", data=tmp_path / place).plan("public", ready=True)
        for place in ("here", "there")
    )

    drawn = here.jobs[0].spec["splits"]
    assert set(drawn) == {"msd-liver", "kits21", "mine", "msd-hepaticvessel"}
    assert {(len(cases["train"]), len(cases["val"])) for cases in drawn.values()} == {(4, 1)}
    assert there.jobs[0].spec["splits"] == drawn
    assert [job.id for job in there.jobs] == [job.id for job in here.jobs]


def test_a_missing_dataset_ends_a_run_with_4_before_anything_is_prepared(
    program: Any, suite: Path, tmp_path: Path
) -> None:
    trees.msd(tmp_path / "data", "Task03_Liver", cases=7)
    trees.nnunet(tmp_path / "data", cases=7)
    said = program("run", "public", "--suite", suite, "--data", "data")
    assert (said.code, said.out) == (4, "")
    assert "  kits21: Kidney tumours (KiTS21) (about 30 GB, CC BY-NC-SA 4.0), https://" in said.err
    assert not (tmp_path / "data/prepared").exists()
