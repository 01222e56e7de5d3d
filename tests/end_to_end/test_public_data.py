"""Datasets in their public layouts go through plan, run and report by one command, untouched by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import public_trees as trees
from clbench.definitions.catalogue import Catalogue

pytestmark = pytest.mark.slow

BENCHMARK = """\
name: public
version: 1
title: Three public layouts in sequence and a dataset of one's own held out
scenario: task-incremental
sequence: [msd-liver, msd-pancreas, kits21]
backbone: {configuration: 3d_fullres, spacing: [12, 12, 12], patch: [16, 16, 16], features: [4, 8, 8], mirror: false}
budget: {epochs: 1, epoch: {iterations: 2}}
protocols:
  continual: {baselines: [finetune]}
  transfer: {targets: [mine], from: [finetune]}
seeds: [0]
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """The shipped cards with seven cases each, a card of one's own, and a benchmark."""
    for folder in ("tasks", "benchmark"):
        (tmp_path / "suite" / folder).mkdir(parents=True)
    for name in ("msd-liver", "msd-pancreas", "kits21"):
        card = yaml.safe_load(Catalogue.open().file("task", name).read_text()) | {"cases": 7}
        (tmp_path / "suite/tasks" / f"{name}.yaml").write_text(yaml.safe_dump(card))
    own = "name: mine\nversion: 1\ntitle: Mine\nlabels: all\nsource: {kind: nnunet, dataset: 123}\n"
    (tmp_path / "suite/tasks/mine.yaml").write_text(own)
    (tmp_path / "suite/benchmark/public.yaml").write_text(BENCHMARK)
    return tmp_path / "suite"


def _datasets(folder: Path) -> None:
    trees.msd(folder, "Task03_Liver", cases=7)
    trees.msd(folder, "Task07_Pancreas", cases=7, unlabelled=0)
    trees.kits(folder, "kits21", cases=7)
    trees.nnunet(folder, cases=7)


def test_one_command_prepares_runs_and_reports(program: Any, suite: Path, tmp_path: Path) -> None:
    _datasets(tmp_path / "data")
    words = ("public", "--suite", suite, "--data", "data")

    said = program("run", *words, "--out", "out")

    assert said.code == 0, said.err
    with open(tmp_path / "out/rows.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "dice" and row["protocol"] == "continual"]
    assert {(row["task"], row["label"]) for row in rows} == {
        ("msd-liver", "tumour"), ("msd-pancreas", "pancreas"), ("kits21", "tumour"),
    }  # fmt: skip
    assert {row["case"] for row in rows if row["task"] == "kits21"} == {"case_00005", "case_00006"}
    manifest = json.loads((tmp_path / "data/prepared/kits21/manifest.json").read_text())
    plan = (tmp_path / "out/plan.json").read_text()
    assert manifest["digest"] in plan
    again = program("run", *words, "--out", "out")
    assert again.code == 0
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


def test_a_missing_dataset_ends_a_run_with_4_before_anything_is_prepared(
    program: Any, suite: Path, tmp_path: Path
) -> None:
    trees.msd(tmp_path / "data", "Task03_Liver", cases=7)
    trees.nnunet(tmp_path / "data", cases=7)
    said = program("run", "public", "--suite", suite, "--data", "data")
    assert (said.code, said.out) == (4, "")
    assert "  kits21: Kidney tumours (KiTS21) (about 30 GB, CC BY-NC-SA 4.0), https://" in said.err
    assert not (tmp_path / "data/prepared").exists()
