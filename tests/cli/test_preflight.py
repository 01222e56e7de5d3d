"""clbench preflight: every difference of three datasets is named before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GRIDS = {  # mm and voxels along x, y, z
    "cubes": ("[6.0, 6.0, 6.0]", "[32, 32, 32]", "0.0"),
    "slices": ("[4.0, 4.0, 12.0]", "[64, 64, 16]", "60.0"),
    "sagittal": ("[12.0, 4.0, 4.0]", "[16, 40, 40]", "-60.0"),
}
BENCHMARK = """
name: three
version: 1
title: Three native spacings
scenario: task-incremental
sequence: [cubes, slices]
backbone: {{configuration: 3d_fullres, plans: {plans}}}
budget: {{epochs: 1}}
sample: {{train: 3, val: 1, seed: 0}}
protocols:
  continual: {{baselines: [finetune]}}
  transfer: {{targets: [sagittal], from: [finetune]}}
seeds: [0]
"""
ASPECTS = {"spacing", "median image", "patch", "features", "strides", "kernels", "axis order", "normalisation"}


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory):
    """Where the tests that only read keep what the first of them found."""
    return tmp_path_factory.mktemp("preflight")


@pytest.fixture
def suite(tmp_path):
    """Three cards of the embedded liver, each with a grid of its own."""
    card = (ROOT / "tasks" / "mini-liver.yaml").read_text().partition("  spacing:")[0]
    folder = tmp_path / "suite"
    (folder / "tasks").mkdir(parents=True)
    (folder / "benchmark").mkdir()
    for name, (spacing, shape, offset) in GRIDS.items():
        text = card.replace("mini-liver", name)
        text += f"  spacing: {spacing}\n  shape: {shape}\n  scanner: {{offset_hu: {offset}}}\n"
        (folder / "tasks" / f"{name}.yaml").write_text(text)
    (folder / "benchmark" / "three.yaml").write_text(BENCHMARK.format(plans="target"))
    return folder


def found(call, suite, store="store"):
    code, out, err = call("preflight", "three", "--suite", suite, "--store", store, "--json")
    assert code == 0, err
    return json.loads(out)


def test_every_difference_between_three_datasets_is_named_with_every_datasets_value(call, suite, looked_at):
    document = found(call, suite, looked_at)
    assert set(document["differ"]) == ASPECTS
    assert document["agree"] == []
    own = {task: entry["own"] for task, entry in document["datasets"].items()}
    assert list(own) == ["cubes", "slices", "sagittal"]
    assert own["cubes"]["spacing"] == pytest.approx([6, 6, 6])  # z, y, x
    assert own["slices"]["spacing"] == pytest.approx([12, 4, 4])
    assert own["sagittal"]["spacing"] == pytest.approx([4, 4, 12])
    assert own["slices"]["median_image"] == [16, 64, 64]
    assert own["slices"]["kernels"][0] == [1, 3, 3]
    assert own["sagittal"]["kernels"][0] == [3, 3, 1]
    assert own["cubes"]["kernels"][0] == [3, 3, 3]
    assert own["sagittal"]["axes"] == [2, 0, 1]
    assert document["shared"] == own["sagittal"]  # the held-out task's own plan


def test_what_each_dataset_loses_follows_from_the_two_grids(call, suite, looked_at):
    losses = {task: entry["loss"] for task, entry in found(call, suite, looked_at)["datasets"].items()}
    assert losses["cubes"]["coarser"] == pytest.approx([4 / 6, 4 / 6, 2])
    assert losses["cubes"]["voxels"] == pytest.approx(6**3 / (4 * 4 * 12))
    assert losses["cubes"]["median_image"] == [48, 48, 16]
    assert losses["cubes"]["covered"] == pytest.approx(40 * 40 / 48 / 48)  # a patch of 40, 40, 16
    assert losses["cubes"]["covered_by_own"] == 1
    assert (losses["cubes"]["anisotropy"], losses["cubes"]["own_anisotropy"]) == pytest.approx((3, 1))
    assert losses["sagittal"]["voxels"] == 1
    assert losses["sagittal"]["clipped"][0] == pytest.approx(0.01, abs=0.003)  # half a percent on either side
    assert losses["slices"]["clipped"][0] > 0.1  # 120 HU brighter
    assert losses["sagittal"]["mean"][0] == pytest.approx(0, abs=0.05)
    assert losses["slices"]["mean"][0] > 1


def test_the_tables_show_every_dataset_beside_the_shared_plan_in_a_hundred_columns(call, suite, looked_at):
    code, out, err = call("preflight", "three", "--suite", suite, "--store", looked_at)
    assert code == 0, err
    assert "would differ in" in out
    assert "They share sagittal's own plan." in " ".join(out.split())
    for title in ("Grids", "Networks", "Normalisation", "What each dataset loses"):
        table = out[out.index(title) :]
        for name in GRIDS:
            assert f"\n{name} " in table
    assert out.count("\nshared plan ") == 3
    assert max(map(len, out.splitlines())) <= 100


def test_nothing_is_trained_or_prepared_and_a_second_call_looks_at_no_case(call, suite, tmp_path, monkeypatch):
    """Not even where what the first found is damaged: the plans are made anew, of the fingerprints that are kept."""
    first = found(call, suite)
    assert not (tmp_path / "store" / "jobs").exists()

    def refuse(*_):
        raise AssertionError("a case was looked at again")

    monkeypatch.setattr("clbench.job.case_work.fingerprint_case", refuse)
    (kept,) = (tmp_path / "store" / "preflight").glob("*.json")
    kept.write_text(kept.read_text().replace('"cases": 3', '"cases": 4', 1))
    assert found(call, suite) == first
    monkeypatch.setattr("clbench.job.case_work.write_case", refuse)
    assert found(call, suite) == first


def test_a_low_resolution_that_nnunet_does_not_plan_is_said_to_be_derived(call, suite):
    benchmark = suite / "benchmark" / "three.yaml"
    benchmark.write_text(BENCHMARK.format(plans="shared").replace("3d_fullres", "3d_lowres"))
    document = found(call, suite)
    assert all(entry["own"]["derived"] for entry in document["datasets"].values())
    _, out, _ = call("preflight", "three", "--suite", suite, "--store", "store")
    assert "plans no 3d_lowres for cubes, slices and sagittal" in " ".join(out.split())


def test_the_plan_points_to_it(call, suite):
    _, out, _ = call("plan", "three", "--suite", suite, "--store", "store")
    assert "clbench preflight three" in out


def test_missing_data_are_said_at_once(call):
    code, _, err = call("preflight", "seven-organs")
    assert code == 4
    assert "msd-liver" in err
