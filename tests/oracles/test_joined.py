"""Joined heads are one softmax: side by side they are the segmentation layer that nnU-Net would have."""

from __future__ import annotations

import pytest
import torch

CLASSES = {"a": 2, "b": 1, "c": 3}


@pytest.fixture
def network(joined):
    return joined(**CLASSES)


@pytest.fixture
def data():
    return torch.randn(2, 1, 8, 8, 8, generator=torch.Generator().manual_seed(1))


def test_the_logits_of_a_batch_are_those_of_all_heads_side_by_side_at_every_scale(network, data):
    output = network(data, ["c", "a"])
    ((name, logits),) = output.logits.items()
    assert (name, output.rows) == ("a", {"a": None})
    assert [one.shape for one in logits] == [(2, 7, 8, 8, 8), (2, 7, 4, 4, 4)]
    for scale, (one, feature) in enumerate(zip(logits, output.features, strict=True)):
        apart = [network.heads[task][1 - scale](feature) for task in CLASSES]
        assert torch.equal(one, torch.cat(apart, 1))


def test_every_channel_but_the_background_belongs_to_exactly_one_task(network):
    assert [network.channels(task) for task in CLASSES] == [range(1, 3), range(3, 4), range(4, 7)]
    assert network.ignored == 7


def test_the_stock_network_with_all_classes_reproduces_the_softmax_from_the_written_weights(network, joined, data):
    stock = joined.unet(7)
    stock.load_state_dict(network.nnunet_weights("b"))
    for ours, theirs in zip(network(data, ["b", "b"]).logits["a"], stock(data), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_every_task_is_predicted_by_the_same_softmax(network):
    first, last = network.nnunet_weights("a"), network.nnunet_weights("c")
    assert all(torch.equal(value, last[name]) for name, value in first.items())


def test_past_logits_are_the_old_classes_alone_at_full_resolution(network, data):
    output = network(data, ["c", "c"])
    (past,) = network.past_logits(output.features, ("a", "b"))
    assert torch.equal(past, output.logits["a"][0][:, :4])


def test_a_network_that_has_not_met_the_later_tasks_gives_the_same_past_logits(network, joined, data):
    young = joined(a=2, b=1)
    young.load_trunk(network.nnunet_weights("a"))
    for task in ("a", "b"):
        young.heads[task].load_state_dict(network.head_weights(task))
    (past,) = network.past_logits(network.features(data), ("a", "b"))
    assert torch.equal(young(data, ["a", "b"]).logits["a"][0], past)


def test_labels_move_to_their_tasks_classes_and_the_background_stays():
    from clbench.network.batch import Batch

    target = torch.tensor([[[0, 1, 2]], [[0, 1, 0]]])[..., None, None]
    batch = Batch(torch.zeros(2, 1, 3, 1, 1), (target,), (("a", "x"), ("b", "y")))
    moved = batch.in_classes({"a": 0, "b": 2}).target[0]
    assert moved.flatten().tolist() == [0, 1, 2, 0, 3, 0]
