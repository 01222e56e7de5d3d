"""data fetch, prepare, verify, list: typed as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import public_trees as trees

CARD = "name: mine\nversion: 1\ntitle: My liver\nsource: {kind: nnunet, dataset: 123}\n"
BENCHMARK = """\
name: ours
version: 1
title: Mine and theirs
scenario: task-incremental
sequence: [mine, mini-spleen]
backbone: {configuration: 3d_fullres}
budget: {epochs: 1}
protocols: {from-scratch: {}}
seeds: [0]
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite with a task over the user's own dataset 123, and a benchmark with it."""
    for file, text in (("tasks/mine.yaml", CARD), ("benchmark/ours.yaml", BENCHMARK)):
        (tmp_path / "suite" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "suite" / file).write_text(text)
    return tmp_path / "suite"


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trees.Made:
    """A dataset in the user's own ``nnUNet_raw``."""
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    return trees.nnunet(tmp_path / "raw")


def test_ones_own_dataset_is_prepared_and_verified_by_its_number(call: Any, suite: Path, raw: trees.Made) -> None:
    code, out, err = call("data", "prepare", "mine", "--suite", suite)
    assert (code, out.count("mine: manifest ")) == (0, 1)
    assert f"mine: 5 cases; {raw.folder}" in err
    assert call("data", "verify", "mine", "--suite", suite)[:2] == (
        0,
        "mine: 5 cases, every file as in its manifest\n",
    )
    code, out, _ = call("data", "list", "--suite", suite)
    assert code == 0
    assert "mine                 prepared   5 cases, manifest " in out
    assert "msd-liver            not here   https://msd-for-monai" in out


def test_nothing_but_the_data_folder_is_written(call: Any, suite: Path, raw: trees.Made, tmp_path: Path) -> None:
    before = sorted(raw.folder.rglob("*"))
    assert call("data", "prepare", "mine", "--suite", suite, "--data", "here")[0] == 0
    assert sorted(raw.folder.rglob("*")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "raw", "suite"]


def test_a_benchmark_stands_for_its_tasks(call: Any, suite: Path, raw: trees.Made) -> None:
    code, out, err = call("data", "prepare", "ours", "--suite", suite)
    assert code == 0
    assert "mini-spleen: nothing to prepare" in err
    assert "mine: manifest" in out


def test_a_published_manifest_is_compared_case_by_case(
    call: Any, suite: Path, raw: trees.Made, tmp_path: Path
) -> None:
    assert call("data", "prepare", "mine", "--suite", suite)[0] == 0
    published = tmp_path / ".clbench/data/prepared/mine/manifest.json"
    (tmp_path / "published.json").write_bytes(published.read_bytes())
    label = raw.folder / "labelsTr/patient_01.nii.gz"
    trees.save(label, 2 - raw.labels["patient_01"], raw.affines["patient_01"])
    code, out, err = call("data", "verify", "mine", "--suite", suite, "--against", "published.json")
    assert (code, out) == (4, "")
    assert err.splitlines()[-1] == "error: task mine: case patient_01 differs in labels, the bytes of label"
    assert call("data", "verify", "ours", "mini-liver", "--suite", suite, "--against", "published.json")[0] == 4
    assert call("data", "verify", "mini-liver", "--against", "published.json")[0] == 2


def test_a_bad_case_ends_with_4_and_names_case_and_file(call: Any, suite: Path, raw: trees.Made) -> None:
    file = raw.folder / "imagesTr/patient_02_0000.nii.gz"
    file.write_bytes(file.read_bytes()[:1000])
    code, out, err = call("data", "prepare", "mine", "--suite", suite)
    assert (code, out) == (4, "")
    assert f"  patient_02: {file}: can't be read, it may be truncated" in err
    assert "4 cases are whole and kept; once this is mended, the same command goes on with the rest" in err
    assert "Traceback" not in err


def test_a_shipped_task_is_prepared_from_a_folder_that_was_unpacked_by_hand(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees.msd(tmp_path / "disk", "Task09_Spleen", cases=41)
    monkeypatch.setenv("CLBENCH_DATA", str(tmp_path / "disk"))
    code, out, _ = call("data", "prepare", "msd-spleen", "--processes", 2)
    assert code == 0
    manifest = json.loads((tmp_path / "disk/prepared/msd-spleen/manifest.json").read_text())
    assert manifest["number_of_cases"] == 41
    assert manifest["digest"] in out
    assert call("data", "fetch", "msd-spleen")[2].startswith("Task09_Spleen: is there, ")


def test_labels_of_kits_are_to_be_cloned_and_it_is_said_how(call: Any, tmp_path: Path) -> None:
    code, _, err = call("data", "fetch", "kits21")
    assert code == 4
    assert f"git clone --depth 1 https://github.com/neheller/kits21 {tmp_path}/.clbench/data/datasets/kits21" in err


def test_own_and_embedded_tasks_have_nothing_to_fetch(call: Any, suite: Path, raw: trees.Made) -> None:
    code, _, err = call("data", "fetch", "ours", "--suite", suite)
    assert code == 0
    assert "mine: nothing to fetch, it is your own (123)" in err
    assert "mini-spleen: nothing to fetch, its cases are generated" in err


@pytest.mark.parametrize("verb", ["fetch", "prepare", "verify"])
def test_a_misspelled_task_ends_with_2_and_the_nearest_name(call: Any, verb: str) -> None:
    code, _, err = call("data", verb, "msd-livre")
    assert (code, "did you mean 'msd-liver'?" in err) == (2, True)


def test_a_card_whose_dataset_is_missing_is_listed_and_refused_with_where_it_was_looked_for(
    call: Any, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    code, out, _ = call("list", "--suite", suite)
    assert (code, "mine" in out) == (0, True)
    for words in (
        ("validate", suite / "tasks/mine.yaml"),
        ("plan", "ours"),
        ("run", "ours"),
        ("data", "prepare", "mine"),
    ):
        code, _, err = call(*words, "--suite", suite)
        assert code == 4
        assert f"looked in {tmp_path / 'raw'}, and the data folder {tmp_path / '.clbench/data'}" in err


def test_a_data_folder_that_can_not_be_written_is_said_so(call: Any, suite: Path, raw: trees.Made) -> None:
    code, _, err = call("data", "prepare", "mine", "--suite", suite, "--data", "/proc/none")
    assert (code, "/proc/none/prepared/mine: " in err) == (4, True)


def test_an_own_dataset_can_be_planned_before_it_is_prepared(call: Any, suite: Path, raw: trees.Made) -> None:
    code, out, _ = call("plan", "ours", "--suite", suite)
    assert code == 0
    assert "from scratch · stage 1 · mine · seed 0" in out
