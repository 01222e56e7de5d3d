"""Patches meet their own task's head, and a stored head never changes."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from clbench.job.assembly import _network
from clbench.job.stage import trainee_of
from clbench.network.heads import Output, patches_of, rows_by_task
from clbench.network.losses import routed_loss


def network_of_stage(run, stage):
    return _network(trainee_of(run.jobs("finetune")[stage - 1], run.store)).eval()


def test_trunk_and_head_together_are_nnunets_network(tiny_run):
    trainee = trainee_of(tiny_run.jobs("finetune")[0], tiny_run.store)
    network = _network(trainee).to(memory_format=torch.contiguous_format)
    stock = trainee.parts("mini-liver").network()
    stock.load_state_dict(network.nnunet_weights("mini-liver"))
    data = torch.randn(2, 1, 16, 16, 16)
    ours = network(data, ["mini-liver"] * 2).logits["mini-liver"]
    for our, their in zip(ours, stock(data), strict=True):
        assert torch.equal(our, their)


def test_each_patch_of_a_mixed_batch_goes_through_its_own_head(tiny_run):
    network = network_of_stage(tiny_run, 2)
    data = torch.randn(3, 1, 16, 16, 16)
    tasks = ["mini-liver", "mini-spleen", "mini-liver"]
    output = network(data, tasks)
    for task, rows in {"mini-liver": [0, 2], "mini-spleen": [1]}.items():
        alone = network(data[rows], [task] * len(rows)).logits[task]
        for mixed, single in zip(output.logits[task], alone, strict=True):
            torch.testing.assert_close(mixed, single, rtol=1e-4, atol=1e-5)


def test_a_mixed_batchs_loss_is_the_mean_over_patches_of_their_own_losses():
    class Mean(nn.Module):
        def forward(self, logits, target):
            return (logits[0] - target[0]).mean()

    logits = {"a": [torch.tensor([[2.0], [7.0]])], "b": [torch.tensor([[13.0]])]}
    output = Output([], logits, rows_by_task(["a", "b", "a"]))
    target = (torch.tensor([[1.0], [4.0], [2.0]]),)
    assert float(routed_loss(Mean(), output, target)) == (1 + 9 + 5) / 3


@pytest.mark.parametrize("widths", [{"a": 3, "b": 3}, {"a": 3, "b": 2}])
@pytest.mark.parametrize("batch_dice", [False, True])
def test_a_mixed_batchs_loss_and_gradient_are_its_heads_own_ones_weighted_however_many_calls_it_takes(
    tiny_run, widths, batch_dice
):
    """Two calls, as a loss that says nothing of itself gets, or one; batch Dice of two heads is never pooled."""
    parts = trainee_of(tiny_run.jobs("finetune")[0], tiny_run.store).parts("mini-liver")
    parts = replace(parts, plans=copy.deepcopy(parts.plans))
    parts.plans["configurations"][parts.configuration_name]["batch_dice"] = batch_dice
    loss, torch_seed = parts.loss(), torch.manual_seed(0)
    rows = rows_by_task(["a", "b", "a"])
    sides = [16 // 2**i for i in range(len(loss.weight_factors))]
    logits = {
        task: [torch.randn(len(picked), widths[task], side, side, side, requires_grad=True) for side in sides]
        for task, picked in rows.items()
    }
    target = [torch.randint(0, 2, (3, 1, side, side, side), generator=torch_seed) for side in sides]
    found = routed_loss(loss, Output([], logits, rows), target)
    expected = sum(loss(logits[task], [t[picked] for t in target]) * len(picked) / 3 for task, picked in rows.items())
    torch.testing.assert_close(found, expected)
    leaves = [scale for scales in logits.values() for scale in scales[:-1]]
    for got, wanted in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(expected, leaves), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-9)
    assert loss.averages_patches is not batch_dice


@pytest.mark.parametrize("tasks", ["aa", "ab", "ba", "aba", "cabca"])
def test_patches_split_off_by_task_are_those_rows_and_bring_back_their_gradient_to_the_bit(tasks):
    torch.manual_seed(0)
    batch = torch.randn(len(tasks), 3, 4, 4, 4, requires_grad=True)
    weight = torch.randn_like(batch)
    for task, patches in patches_of(batch, rows_by_task(list(tasks))).items():
        rows = [row for row, name in enumerate(tasks) if name == task]
        assert torch.equal(patches, batch[rows])
        (patches * weight[rows]).sum().backward()
    assert torch.equal(batch.grad, weight)


def test_parameters_are_counted_once_although_state_dict_aliases_them(tiny_run):
    network = network_of_stage(tiny_run, 1)
    storages = {value.data_ptr() for value in network.trunk.state_dict().values()}
    assert len(network.trunk_parameters()) == len(storages) < len(network.trunk.state_dict())
