"""A strided convolution with the composed gradient is torch's, but for the last bits of its data gradient."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, grad, vmap

from clbench.methods.isolation import CONVOLUTIONS, parameters_of
from clbench.network.heads import MultiHeadNetwork
from clbench.network.own import OwnWeights
from clbench.network.strided import MAX_PLAIN_OUTPUTS, StridedConv3d, make_portable, phases
from network_plan import network_parts

USUAL = (32, 64, 128, 256, 320, 320)
PLANNED = list(itertools.product(itertools.product((1, 3), repeat=3), itertools.product((1, 2), repeat=3)))


def pair(kernel, stride, padding=None, channels=(3, 4), bias=True, dtype=torch.float64):
    """torch's convolution and the one under test, with the same weights."""
    torch.manual_seed(0)
    padding = tuple((k - 1) // 2 for k in kernel) if padding is None else padding
    plain = nn.Conv3d(*channels, kernel, stride, padding, bias=bias).to(dtype)
    other = copy.deepcopy(plain)
    other.__class__ = StridedConv3d
    return plain, other


def through(module, data):
    """Result and gradients, by name, of a module on data."""
    data = data.clone().requires_grad_()
    result = module(data)
    torch.manual_seed(1)
    result.backward(torch.randn_like(result))
    return {"result": result, "data": data.grad} | {name: p.grad for name, p in module.named_parameters()}


def assert_alike(plain, other, data, **tolerance):
    """The same bits everywhere but in the data gradient, in the same memory format."""
    expected, found = through(plain, data), through(other, data)
    assert found["data"].is_contiguous(memory_format=torch.channels_last_3d) == data.is_contiguous(
        memory_format=torch.channels_last_3d
    )
    torch.testing.assert_close(found.pop("data"), expected.pop("data"), **tolerance)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
        assert found[name].stride() == value.stride(), name


@pytest.mark.parametrize(("kernel", "stride"), PLANNED, ids=str)
@pytest.mark.parametrize("size", [(4, 6, 8), (7, 5, 3), (5, 4, 7), (1, 2, 1)], ids=str)
def test_every_kernel_and_stride_of_nnunets_plans_has_torchs_gradient_in_float64(kernel, stride, size):
    data = torch.randn(2, 3, *size, dtype=torch.float64)
    for bias in (True, False):
        assert_alike(*pair(kernel, stride, bias=bias), data, rtol=0, atol=1e-12)


@given(st.data())
def test_any_kernel_stride_padding_and_size_has_torchs_gradient_in_float64(draw):
    triple = lambda low, high: draw.draw(st.tuples(*[st.integers(low, high)] * 3))  # noqa: E731
    kernel, stride, padding, size = triple(1, 4), triple(1, 3), triple(0, 3), triple(1, 7)
    assume(all(n + 2 * p >= k for n, p, k in zip(size, padding, kernel, strict=True)))
    data = torch.randn(1, 3, *size, dtype=torch.float64)
    assert_alike(*pair(kernel, stride, padding), data, rtol=0, atol=1e-12)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d], ids=str)
@pytest.mark.parametrize(
    ("kernel", "stride"), [((3, 3, 3), (2, 2, 2)), ((1, 3, 3), (1, 2, 2)), ((3, 3, 1), (2, 1, 1))]
)
def test_in_float32_it_is_torchs_to_the_bit_but_for_the_data_gradient(kernel, stride, layout, batch):
    plain, other = (m.to(memory_format=layout) for m in pair(kernel, stride, channels=(16, 40), dtype=torch.float32))
    data = torch.randn(batch, 16, 9, 12, 11).to(memory_format=layout)
    assert_alike(plain, other, data, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(1, 3, 2), (8, 3, 2), (9, 3, 2), (9, 1, 2), (9, 3, 1), (2, 1, 1)]
)
def test_the_phases_of_an_axis_have_each_input_and_each_tap_once(size, kernel, stride):
    padding = (kernel - 1) // 2
    found = phases(size, (size + 2 * padding - kernel) // stride + 1, kernel, stride, padding)
    assert sorted(i for p in found for i in range(p.first, size, stride)) == list(range(size))
    taps = [p.tap + n * stride for p in found for n in range(p.taps)]
    assert len(set(taps)) == len(taps)
    assert sorted(taps) == list(range(kernel)) or size < stride


def test_frozen_weights_get_no_gradient_and_pass_on_the_datas():
    plain, other = (module.requires_grad_(False) for module in pair((3, 3, 3), (2, 2, 2)))
    data = torch.randn(1, 3, 5, 5, 5, dtype=torch.float64)
    expected, found = through(plain, data), through(other, data)
    torch.testing.assert_close(found["data"], expected["data"], rtol=0, atol=1e-12)
    assert found["weight"] is None
    assert found["bias"] is None


@pytest.mark.parametrize(
    ("kernel", "stride"), [((3, 3, 3), (2, 2, 2)), ((1, 3, 3), (2, 1, 2)), ((1, 1, 1), (2, 2, 2))]
)
def test_gradients_can_be_differentiated_again(kernel, stride):
    _, module = pair(kernel, stride, channels=(2, 2))
    data = torch.randn(1, 2, 3, 4, 3, dtype=torch.float64, requires_grad=True)
    inputs = (data, module.weight, module.bias)
    assert torch.autograd.gradcheck(lambda x, w, b: module._conv_forward(x, w, b), inputs)
    assert torch.autograd.gradgradcheck(lambda x, w, b: module._conv_forward(x, w, b), inputs)


def test_gradients_per_sample_are_those_of_each_sample_by_itself():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(1, 3, 3, padding=1), nn.Conv3d(3, 40, 3, 2, 1)).double()
    make_portable(network)
    data = torch.randn(3, 1, 4, 5, 4, dtype=torch.float64)
    parameters = {name: p.detach() for name, p in network.named_parameters()}
    loss = grad(lambda values, image: functional_call(network, values, (image[None],)).square().sum())
    together = vmap(loss, (None, 0))(parameters, data)
    for row, image in enumerate(data):
        for name, value in loss(parameters, image).items():
            torch.testing.assert_close(together[name][row], value)


def replaced(network):
    """The strided convolutions that are not torch's own, by their names."""
    return [name for name, module in network.named_modules() if type(module) is StridedConv3d]


@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
def test_in_nnunets_usual_widths_every_downsampling_is_replaced_and_nothing_else(residual):
    network = network_parts([32] * 3, USUAL, residual=residual).network()
    layer = "blocks.0.conv1.conv" if residual else "0.convs.0.conv"
    assert replaced(network) == [f"encoder.stages.{stage}.{layer}" for stage in range(1, len(USUAL))]
    strided = [m for m in network.modules() if isinstance(m, nn.Conv3d) and max(m.stride) > 1]
    assert len(strided) == len(USUAL) - 1


@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
def test_in_the_embedded_benchmarks_widths_and_on_cuda_nothing_is_replaced(residual):
    assert not replaced(network_parts([24] * 3, (8, 16, 32, 32), residual=residual).network())
    assert not replaced(network_parts([32] * 3, USUAL, residual=residual, device="cuda").network())


def test_only_strided_dense_convolutions_above_the_width_are_replaced():
    wide = MAX_PLAIN_OUTPUTS + 1
    modules = {
        "strided": nn.Conv3d(4, wide, 3, 2, 1), "one axis": nn.Conv3d(4, wide, (1, 3, 3), (1, 1, 2), (0, 1, 1)),
        "narrow": nn.Conv3d(4, MAX_PLAIN_OUTPUTS, 3, 2, 1), "dense": nn.Conv3d(4, wide, 3, 1, 1),
        "grouped": nn.Conv3d(wide, wide, 3, 2, 1, groups=wide), "dilated": nn.Conv3d(4, wide, 3, 2, 1, 2),
        "reflecting": nn.Conv3d(4, wide, 3, 2, 1, padding_mode="reflect"), "plane": nn.Conv2d(4, wide, 3, 2, 1),
        "transposed": nn.ConvTranspose3d(4, wide, 2, 2),
    }  # fmt: skip
    network = nn.ModuleDict(modules)
    make_portable(network)
    assert replaced(network) == ["strided", "one axis"]
    make_portable(network)
    assert replaced(network) == ["strided", "one axis"]


@pytest.fixture
def trunks():
    """A wide network as clbench builds it on a CPU, and as nnU-Net does."""
    networks = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        networks.append(network_parts([16] * 3, (8, 40, 48), residual=True, device=device).network())
    ours, nnunets = networks
    assert replaced(ours)
    assert not replaced(nnunets)
    return ours, nnunets


def test_initial_weights_names_and_predictions_are_nnunets_and_either_opens_the_others_weights(trunks):
    ours, nnunets = trunks
    assert list(ours.state_dict()) == list(nnunets.state_dict())
    assert all(torch.equal(value, nnunets.state_dict()[name]) for name, value in ours.state_dict().items())
    nnunets.load_state_dict(ours.state_dict())
    ours.load_state_dict(nnunets.state_dict())
    data = torch.randn(2, 1, 16, 16, 16)
    with torch.no_grad():
        assert all(torch.equal(*scales) for scales in zip(ours(data), nnunets(data), strict=True))
    assert all(torch.equal(*scales) for scales in zip(ours(data), nnunets(data), strict=True))


def test_a_copy_keeps_what_is_replaced_and_shares_no_weight(trunks):
    ours, _ = trunks
    copied = copy.deepcopy(ours)
    assert replaced(copied) == replaced(ours)
    assert not {p.data_ptr() for p in copied.parameters()} & {p.data_ptr() for p in ours.parameters()}


def test_hooks_see_its_input_and_methods_find_it_among_the_convolutions(trunks):
    ours, nnunets = trunks
    seen = []
    ours.get_submodule(replaced(ours)[0]).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    ours(torch.randn(2, 1, 16, 16, 16))
    assert seen == [(2, 8, 16, 16, 16)]
    found, expected = (list(parameters_of(MultiHeadNetwork(trunk), CONVOLUTIONS)) for trunk in (ours, nnunets))
    assert found == expected


def low_rank(network):
    """Changes of rank 2, not zero, of a stage's convolutions."""
    torch.manual_seed(0)
    weights = {name: p for name, p in network.trunk_parameters().items() if p.ndim > 1 and "encoder.stages.1" in name}
    return {
        name: (torch.randn(2, p[0].numel(), dtype=p.dtype), torch.randn(len(p), 2, dtype=p.dtype))
        for name, p in weights.items()
    }


def test_weights_of_a_tasks_own_take_its_weights_place_and_are_trained(trunks):
    gradients = []
    for trunk in trunks:
        network = MultiHeadNetwork(trunk.double())
        network.give("organ", OwnWeights(low_rank=low_rank(network)))
        network.trunk.requires_grad_(False)
        torch.manual_seed(0)
        features = network.features(torch.randn(2, 1, 16, 16, 16, dtype=torch.float64), "organ")
        sum(feature.square().mean() for feature in features).backward()
        gradients.append([p.grad for p in network.own.parameters()])
    assert len(gradients[0]) == 2 * len(low_rank(network)) > 0
    torch.testing.assert_close(*gradients)
