"""Checkpoints from elsewhere that can't be started from: refused with the reason before anything is trained."""

from __future__ import annotations

import pathlib
from pathlib import Path
from typing import Any

import pytest
import torch

BENCHMARK = """\
name: own
version: 1
title: Fine-tuning from a checkpoint
scenario: task-incremental
sequence: [mini-liver]
backbone: {configuration: 3d_fullres, spacing: [12, 12, 12], patch: [16, 16, 16], features: [4, 8, 8], mirror: false}
budget: {epochs: 2, epoch: {iterations: 1}, batch: 1}
sample: {train: 2, val: 1, seed: 0}
protocols:
  continual: {baselines: [pretrained]}
  transfer:
    targets: [mini-lung]
    from: [pretrained, {checkpoint: PATH, name: theirs}]
seeds: [0]
"""
FIRST = "encoder.stages.0.0.convs.0.conv.weight"
HEAD = {"decoder.seg_layers.0.weight": torch.zeros(2, 4, 1, 1, 1)}
SAVED: dict[str, tuple[Any, str]] = {
    "no-network": ({"epoch": 3, "weights": {}}, "is no checkpoint of nnU-Net v2, which has network_weights; it has"),
    "version-1": ({"state_dict": {}}, "it has state_dict, as those of nnU-Net v1"),
    "a-tensor": (torch.zeros(3), "is no checkpoint of nnU-Net v2, which has network_weights; it holds a Tensor"),
    "no-tensors": ({"network_weights": {"a": 1}}, "network_weights are not tensors by name"),
    "code": ({"network_weights": {}, "x": pathlib.PurePosixPath("a")}, "holds a pathlib.PurePosixPath, which can't"),
    "head-only": ({"network_weights": HEAD}, "has segmentation layers alone, and these are left out"),
}  # fmt: skip


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite whose benchmark starts from the checkpoint ``theirs.pth`` beside it."""
    return _write(tmp_path / "suite", "theirs.pth")


def _write(suite: Path, path: str) -> Path:
    (suite / "benchmark").mkdir(parents=True)
    (suite / "benchmark" / "own.yaml").write_text(BENCHMARK.replace("PATH", path))
    return suite


def _refused(call: Any, suite: Path) -> str:
    """What a run says that ends with 2 before it has written anything."""
    code, out, err = call("run", "own", "--suite", suite)
    assert (code, out) == (2, "")
    assert sorted(path.name for path in suite.parent.iterdir()) == ["suite"], "no store, no reports"
    return str(err)


def test_a_path_that_leads_nowhere_is_named_with_file_and_line(call: Any, suite: Path) -> None:
    file, path = suite / "benchmark" / "own.yaml", suite / "benchmark" / "theirs.pth"
    assert _refused(call, suite) == (
        f"error: {file}:13: protocols.transfer.from[1].checkpoint: there is no file or folder {path}\n"
    )


@pytest.mark.parametrize(
    ("folds", "said"),
    [
        ((), "has no checkpoint_final.pth, nor has a fold_* folder in it; name the .pth file"),
        (("fold_0", "fold_1"), "has a checkpoint_final.pth in each of fold_0, fold_1; name one of these folders"),
    ],
)
def test_a_model_folder_without_one_final_checkpoint_is_refused(
    call: Any, tmp_path: Path, folds: tuple[str, ...], said: str
) -> None:
    suite = _write(tmp_path / "suite", "../model")
    (suite / "model").mkdir()
    for fold in folds:
        (suite / "model" / fold).mkdir()
        (suite / "model" / fold / "checkpoint_final.pth").touch()
    assert f"{suite / 'benchmark' / '..' / 'model'} {said}" in _refused(call, suite)


@pytest.mark.parametrize("name", SAVED)
def test_a_file_that_is_no_checkpoint_of_nnunet_is_refused_with_the_reason(call: Any, suite: Path, name: str) -> None:
    content, said = SAVED[name]
    torch.save(content, suite / "benchmark" / "theirs.pth")
    assert said in _refused(call, suite)


@pytest.mark.parametrize("damage", ["text", "half", "empty"])
def test_a_file_that_torch_can_not_read_is_refused(call: Any, suite: Path, damage: str) -> None:
    file = suite / "benchmark" / "theirs.pth"
    torch.save({"network_weights": HEAD}, file)
    whole = file.read_bytes()
    file.write_bytes({"text": b"weights, please", "half": whole[: len(whole) // 2], "empty": b""}[damage])
    assert _refused(call, suite).startswith(f"error: {file} ")


@pytest.mark.slow
def test_another_architecture_ends_its_own_job_alone_and_once_the_data_are_there_is_refused_at_once(
    program: Any, call: Any, tmp_path: Path
) -> None:
    suite = _write(tmp_path / "suite", "theirs.pth")
    torch.save({"network_weights": {FIRST: torch.zeros(4, 2, 3, 3, 3)}}, suite / "benchmark" / "theirs.pth")
    reason = f"{suite / 'benchmark' / 'theirs.pth'} does not fit this network: {FIRST} is 4 × 2 × 3 × 3 × 3 there"

    said = program("run", "own", "--suite", suite)

    assert said.code == 3
    assert f"error: {reason}" in said.err
    assert "the checkpoint reads images of 2 channels and this task has 1" in said.err
    assert said.err.splitlines()[-1] == "1 failed; the same command tries again"
    code, out, err = call("run", "own", "--suite", suite)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {reason}")
