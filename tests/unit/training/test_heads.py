"""Patches meet their own task's head, and a stored head never changes."""

from __future__ import annotations

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

    logits = {"a": [torch.tensor([[1.0], [5.0]])], "b": [torch.tensor([[9.0]])]}
    output = Output([], logits, rows_by_task(["a", "b", "a"]))
    target = (torch.zeros(3, 1),)
    assert float(routed_loss(Mean(), output, target)) == (1 + 9 + 5) / 3


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
