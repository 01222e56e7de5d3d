"""Methods train a network with composed gradients as they train one with torch's own, but for rounding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.conftest import TinyRun, carry_out_here

from clbench.job.stage import trainee_of
from clbench.network.strided import StridedConv3d
from clbench.nnunet import parts
from clbench.run import Places
from clbench.store import Store

SMOOTH = ("finetune", "ewc", "mas", "lwf", "lora-per-task", "a-gem")
"""Methods without a threshold, by which a last bit could become a large difference."""
WIDE = f"""
name: wide
version: 1
title: Two epochs of two steps, wide enough for composed gradients
scenario: task-incremental
sequence: [mini-liver, mini-spleen]
backbone: {{configuration: 3d_fullres, spacing: {[12] * 3}, patch: {[16] * 3}, features: [4, 40, 40], mirror: false}}
optimizer: {{lr: 0.01, momentum: 0.9, warmup: 2}}
budget: {{epochs: 2, epoch: {{iterations: 2}}, batch: 2}}
sample: {{train: 4, val: 1, seed: 0}}
protocols:
  continual: {{baselines: [{", ".join((*SMOOTH, "gpm"))}]}}
seeds: [0]
"""


def carried_out(root: Path) -> TinyRun:
    """The benchmark ``wide`` in a store of its own."""
    (root / "benchmark").mkdir()
    (root / "benchmark" / "wide.yaml").write_text(WIDE)
    plan = Places((root,), root / "store").plan("wide")
    run = TinyRun(plan, Store(root / "store"))
    carry_out_here(plan, run.store)
    return run


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """The benchmark as it is run."""
    return carried_out(tmp_path_factory.mktemp("composed"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """The benchmark on nnU-Net's networks as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "make_portable", lambda network: None)
        return carried_out(tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("baseline", SMOOTH)
def test_the_second_stage_of_a_method_ends_at_the_same_weights_but_for_rounding(composed, plain, baseline):
    found, expected = (run.model(run.jobs(baseline)[1])["network_weights"] for run in (composed, plain))
    assert found.keys() == expected.keys()
    changed = [not torch.equal(found[name], value) for name, value in expected.items()]
    assert any(changed), "the gradient was not composed"
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4, msg=lambda text, name=name: name + text)


def test_gpm_protects_every_tensor_of_the_network(composed):
    numbers = composed.result(composed.jobs("gpm")[1])["evidence"]["numbers"]
    assert numbers["tensors_protected"] == numbers["tensors_expected"] > 0
    assert numbers["effect"] > 0


def test_a_checkpoint_opens_in_nnunets_own_network(composed):
    job = composed.jobs("finetune")[1]
    prepared = trainee_of(job, composed.store).prepared
    network, stock = (
        parts.NnunetParts(prepared.plans, prepared.tasks["mini-liver"].dataset_json, torch.device(device)).network()
        for device in ("cpu", "cuda")
    )
    replaced = [[type(module) is StridedConv3d for module in each.modules()] for each in (network, stock)]
    assert [sum(each) for each in replaced] == [2, 0]
    stock.load_state_dict(composed.model(job)["network_weights"])
    network.load_state_dict(stock.state_dict())
