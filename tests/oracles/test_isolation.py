"""What a task has to itself takes the trunk's place exactly, begins exactly at it and never touches it."""

from __future__ import annotations

import copy
import io
import math

import numpy as np
import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn
from torch.nn import functional as F

from clbench.job.method import require_plain
from clbench.methods.isolation import Isolation, low_rank_start
from clbench.network.heads import MultiHeadNetwork
from clbench.network.own import OwnWeights

KINDS = ["norm", "low-rank", "decoder"]
DATA = torch.randn(2, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0))


def nnunet(architecture):
    """A small network as nnU-Net's plans build it, with an anisotropic first stage."""
    torch.manual_seed(0)
    blocks = {"n_conv_per_stage": 2} if architecture is PlainConvUNet else {"n_blocks_per_stage": 2}
    return architecture(
        input_channels=1, n_stages=3, features_per_stage=[4, 6, 8], conv_op=nn.Conv3d,
        kernel_sizes=[[1, 3, 3], [3, 3, 3], [3, 3, 3]], strides=[[1, 1, 1], [1, 2, 2], [2, 2, 2]], num_classes=2,
        n_conv_per_stage_decoder=1, conv_bias=True, norm_op=nn.InstanceNorm3d, norm_op_kwargs={"affine": True},
        nonlin=nn.LeakyReLU, deep_supervision=True, **blocks,
    )  # fmt: skip


@pytest.fixture(params=[PlainConvUNet, ResidualEncoderUNet], ids=["plain", "residual"])
def network(request):
    """Two tasks with a head each."""
    made = MultiHeadNetwork(nnunet(request.param))
    made.architecture = request.param
    for task in ("a", "b"):
        made.add_head(task, {name: torch.randn_like(v) for name, v in made.first_head.items()}, frozen=task == "a")
    return made


def begun(network, stage, own, rank=4):
    """The method at the start of the stage of task b."""
    method = Isolation(own=own, rank=rank)
    method.begin_stage(stage(network.trunk_parameters(), network=network))
    return method


def disturb(own):
    """Move everything that a task has to itself away from where it began."""
    with torch.no_grad():
        for parameter in own.parameters():
            parameter += 0.3 * torch.randn_like(parameter)


def overwritten(network, tensors):
    """A copy of the trunk that holds these tensors under all the names of their storages."""
    state, parameters = network.trunk.state_dict(), network.trunk_parameters()
    places = {parameters[name].data_ptr(): value.detach() for name, value in tensors.items()}
    trunk = copy.deepcopy(network.trunk)
    trunk.load_state_dict({name: places.get(value.data_ptr(), value) for name, value in state.items()})
    return trunk


def everything(trunk):
    """Identity and value of every parameter under every name."""
    return {name: (id(p), p.detach().clone()) for name, p in trunk.named_parameters(remove_duplicate=False)}


@pytest.mark.parametrize("own", KINDS)
def test_a_task_begins_exactly_at_the_trunk_which_is_frozen(network, stage, own):
    method = begun(network, stage, own)
    for ours, shared in zip(network.features(DATA, "b"), network.features(DATA), strict=True):
        assert torch.equal(ours, shared)
    assert method.effect() == 0
    assert not any(p.requires_grad for p in network.trunk.parameters())
    assert all(p.requires_grad for p in network.own["b"].parameters())


@pytest.mark.parametrize("own", KINDS)
def test_own_weights_compute_what_an_overwritten_trunk_computes(network, stage, own):
    begun(network, stage, own)
    disturb(network.own["b"])
    trunk = overwritten(network, network.own["b"].tensors(network.trunk_parameters()))
    for ours, theirs, shared in zip(
        network.features(DATA, "b"), trunk(DATA), network.features(DATA, "a"), strict=True
    ):
        assert torch.equal(ours, theirs)
        assert not torch.allclose(ours, shared)


@pytest.mark.parametrize("own", KINDS)
def test_training_own_weights_leaves_every_tensor_of_the_trunk_alone_under_every_name(network, stage, own):
    begun(network, stage, own)
    before = everything(network.trunk)
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], 0.1, 0.9, weight_decay=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        output = network(DATA, ["b", "b"])
        sum(one.square().mean() for one in output.logits["b"]).backward()
        optimizer.step()
    after = everything(network.trunk)
    assert before.keys() == after.keys()
    for name, (known, value) in before.items():
        assert after[name][0] == known, name
        assert torch.equal(after[name][1], value), name
    assert all(p.grad is not None and p.grad.any() for p in network.own["b"].up)
    assert all(p.grad is None for p in network.trunk.parameters())


def test_norm_layers_are_found_by_their_kind_each_storage_once_under_the_trunks_name(network, stage):
    begun(network, stage, "norm")
    names = network.own["b"].names
    layers = [module for module in network.trunk.modules() if isinstance(module, nn.InstanceNorm3d)]
    assert set(names) == {name for name in network.trunk_parameters() if ".norm." in name}
    assert len(names) == len(set(names)) == 2 * len(layers)


def test_every_convolution_gets_a_low_rank_change_transposed_ones_and_projections_included(network, stage):
    begun(network, stage, "low-rank")
    names = network.own["b"].names
    assert set(names) == {name for name, p in network.trunk_parameters().items() if p.ndim == 5}
    assert any("transpconvs" in name for name in names)
    assert network.architecture is PlainConvUNet or any(".skip." in name for name in names)


def test_a_decoder_is_everything_that_is_not_the_encoders(network, stage):
    begun(network, stage, "decoder")
    encoder = {id(p) for p in network.trunk.encoder.parameters()}
    rest = {name for name, p in network.trunk_parameters().items() if id(p) not in encoder}
    assert set(network.own["b"].names) == rest


def test_a_low_rank_change_of_a_convolution_is_a_narrow_one_and_a_pointwise_one_behind_it():
    torch.manual_seed(0)
    weight, data = torch.randn(6, 5, 1, 3, 3).double(), torch.randn(2, 5, 4, 6, 6).double()
    down, up = torch.randn(4, 5 * 9).double(), torch.randn(6, 4).double()
    (ours,) = OwnWeights(low_rank={"w": (down, up)}).tensors({"w": weight}).values()
    narrow = F.conv3d(data, down.view(4, 5, 1, 3, 3))
    expected = F.conv3d(data, weight) + F.conv3d(narrow, up.view(6, 4, 1, 1, 1))
    torch.testing.assert_close(F.conv3d(data, ours), expected)


def test_a_low_rank_change_of_a_transposed_convolution_is_a_pointwise_one_and_a_narrow_one_behind_it():
    torch.manual_seed(0)
    weight, data = torch.randn(6, 5, 1, 2, 2).double(), torch.randn(2, 6, 3, 3, 3).double()
    down, up = torch.randn(4, 5 * 4).double(), torch.randn(6, 4).double()
    (ours,) = OwnWeights(low_rank={"w": (down, up)}).tensors({"w": weight}).values()
    narrow = F.conv3d(data, up.T.reshape(4, 6, 1, 1, 1))
    expected = F.conv_transpose3d(data, weight, stride=(1, 2, 2)) + F.conv_transpose3d(
        narrow, down.view(4, 5, 1, 2, 2), stride=(1, 2, 2)
    )
    torch.testing.assert_close(F.conv_transpose3d(data, ours, stride=(1, 2, 2)), expected)


def test_low_rank_factors_begin_as_loras_one_zero_the_other_uniform_by_its_fan_in():
    weight = torch.empty(20, 30, 3, 3, 3)
    down, up = low_rank_start(weight, 8, np.random.default_rng(0))
    reference = nn.init.kaiming_uniform_(torch.empty(8, 810), a=math.sqrt(5))
    assert (down.shape, up.shape) == ((8, 810), (20, 8))
    assert not up.any()
    assert float(down.abs().max()) <= 810**-0.5 < 1.01 * float(down.abs().max())
    assert float(down.std()) == pytest.approx(float(reference.std()), rel=0.05)
    assert torch.equal(low_rank_start(weight, 8, np.random.default_rng(0))[0], down)
    assert not torch.equal(low_rank_start(weight, 8, np.random.default_rng(1))[0], down)


@pytest.mark.parametrize("own", KINDS)
def test_own_weights_come_back_from_a_checkpoint_to_the_bit(network, stage, own):
    begun(network, stage, own)
    given = network.own["b"]
    disturb(given)
    require_plain(given.content())
    file = io.BytesIO()
    torch.save(given.content(), file)
    file.seek(0)
    again = OwnWeights(**torch.load(file, weights_only=True))
    assert (again.names, again.numbers) == (given.names, given.numbers)
    trunk = network.trunk_parameters()
    for name, value in given.tensors(trunk).items():
        assert torch.equal(again.tensors(trunk)[name], value), name


@pytest.mark.parametrize("own", KINDS)
def test_nnunets_own_network_predicts_each_task_with_the_weights_written_for_it(network, stage, own):
    begun(network, stage, own)
    disturb(network.own["b"])
    for task in ("a", "b"):
        stock = nnunet(network.architecture)
        stock.load_state_dict(network.nnunet_weights(task))
        for ours, theirs in zip(network(DATA, [task] * 2).logits[task], stock(DATA), strict=True):
            assert torch.equal(ours, theirs), task


@pytest.mark.parametrize("own", KINDS)
def test_what_is_written_for_a_task_and_what_it_stands_in_for_are_the_shared_trunk_again(network, stage, own):
    begun(network, stage, own)
    disturb(network.own["b"])
    shared = network.shared_of("b")
    assert set(shared) == set(network.own["b"].names)
    restored = MultiHeadNetwork(nnunet(network.architecture))
    restored.load_trunk(network.nnunet_weights("b"))
    trunk = overwritten(restored, shared)
    for name, value in network.trunk.state_dict().items():
        assert torch.equal(trunk.state_dict()[name], value), name
    assert network.shared_of("a") == {}


def test_autocast_does_not_round_a_low_rank_change(network, stage):
    begun(network, stage, "low-rank")
    disturb(network.own["b"])
    expected = network.own["b"].tensors(network.trunk_parameters())
    with torch.autocast("cpu", torch.bfloat16):
        found = network.own["b"].tensors(network.trunk_parameters())
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_the_effect_is_the_distance_from_the_trunk_relative_to_the_replaced_part_of_it(network, stage):
    method = begun(network, stage, "decoder")
    with torch.no_grad():
        for parameter in network.own["b"].parameters():
            parameter *= 1.5
    assert method.effect() == pytest.approx(0.5, rel=1e-5)
    method = begun(network, stage, "low-rank")
    with torch.no_grad():
        for up, name in zip(network.own["b"].up, network.own["b"].names, strict=True):
            up.fill_(2.0 if name.startswith("decoder.stages.1.") else 0.0)
    weights = {name: p for name, p in network.trunk_parameters().items() if p.ndim == 5}
    names = list(weights)
    changes = [
        (2 * down.sum(0)).square().sum() * len(weights[name])
        for name, down in zip(names, network.own["b"].down, strict=True) if name.startswith("decoder.stages.1.")
    ]  # fmt: skip
    whole = sum(p.square().sum() for p in weights.values())
    assert changes
    assert method.effect() == pytest.approx(float((sum(changes) / whole).sqrt()), rel=1e-4)


def test_evidence_counts_what_the_task_has_to_itself(network, stage):
    parameters = network.trunk_parameters()
    total = sum(p.numel() for p in parameters.values())
    convolutions = [p for p in parameters.values() if p.ndim == 5]
    owned = {
        "norm": sum(p.numel() for name, p in parameters.items() if ".norm." in name),
        "low-rank": sum(3 * (len(p) + p[0].numel()) for p in convolutions),
        "decoder": sum(p.numel() for name, p in parameters.items() if name.startswith("decoder.")),
    }
    for own, numbers in owned.items():
        evidence = begun(network, stage, own, rank=3).evidence()
        assert (evidence["numbers_owned"], evidence["tensors_frozen"]) == (numbers, len(parameters))
        assert evidence["share_of_trunk"] == numbers / total


def test_a_batch_whose_tasks_need_several_trunks_is_refused(network, stage):
    begun(network, stage, "norm")
    with pytest.raises(ValueError, match="a batch of a, b needs several trunks at once"):
        network(DATA, ["a", "b"])
