"""BLIP at the wall: what momentum and weight decay do there, and the variants of what it protects and by how much."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from clbench.methods import blip
from clbench.methods.blip import BLIP, fan_in, grown_bits, information_gain

LR, VOXELS = 1e-3, 512


@pytest.fixture
def begin(monkeypatch, stage):
    """Makes BLIP at the start of its second stage, with this Fisher of the first task."""

    def make(weights, fisher, momentum=0.9, decay=0.0, more=(), **settings):
        estimate = SimpleNamespace(diagonal=fisher, voxels=VOXELS)
        monkeypatch.setattr(blip, "estimate_fisher", lambda context, draws: estimate)
        method = BLIP(**settings)
        method.begin_stage(stage(weights, iterations=1))
        optimizer = torch.optim.SGD(
            [*weights.values(), *more], LR, momentum, weight_decay=decay, nesterov=momentum > 0
        )
        method.begin_training(optimizer)
        return method, optimizer

    return make


def step(method, optimizer, gradients, iteration=0):
    """One step with these gradients."""
    for parameter, gradient in gradients.items():
        parameter.grad = gradient.clone()
    optimizer.step()
    method.after_step(iteration, LR)


def vector(n=6):
    """Weights of a norm layer, whose bound is 1, with 4 bits each: walls at 1/16."""
    p = nn.Parameter(torch.zeros(n))
    return p, {"norm.bias": p}, {"norm.bias": torch.ones(n)}


FOUR_BITS = {"target_bits": 4.0, "prior": 1 / (2 * 2**7.9)}  # gain 0.5 log2((1 + prior) / (2 prior)) just below 4


def test_where_walls_stop_a_weight_its_velocity_is_zero_and_nowhere_else(begin):
    p, weights, fisher = vector()
    method, optimizer = begin(weights, fisher, wall="stop", **FOUR_BITS)
    gradient = torch.tensor([1e3, -1e3, 1.0, -1.0, 0.0, 1e3])
    step(method, optimizer, {p: gradient})
    stopped = torch.tensor([True, True, False, False, False, True])
    velocity = optimizer.state[p]["momentum_buffer"]
    assert torch.equal(p.detach()[stopped], torch.tensor([-1.0, 1.0, -1.0]) / 16)
    assert torch.equal(velocity, torch.where(stopped, 0.0, gradient))
    assert method.effect() == 0.5


def test_plain_walls_leave_every_velocity_as_it_is(begin):
    p, weights, fisher = vector(2)
    method, optimizer = begin(weights, fisher, **FOUR_BITS)
    gradient = torch.tensor([1e3, 1.0])
    step(method, optimizer, {p: gradient})
    assert torch.equal(optimizer.state[p]["momentum_buffer"], gradient)


@pytest.mark.parametrize("momentum", [0.9, 0.99])
def test_a_weight_leaves_the_wall_at_once_when_the_gradient_turns_if_the_wall_stopped_it(begin, momentum):
    """Pressed for n steps by a gradient of -g its velocity is -g (1 - mu^n) / (1 - mu) without the option.

    After k steps of +g it is g (1 - 2 mu^k + mu^(n+k)) / (1 - mu), and Nesterov's step g + mu * velocity turns at
    mu^(k+1) (2 - mu^n) < 1: after about ln 2 / (1 - mu) steps, however small the weight's interval is.
    """
    pressed, g = 300, 1e3
    expected = {"stop": 1, "plain": math.ceil(math.log(2 - momentum**pressed) / -math.log(momentum) - 1)}
    for wall, steps in expected.items():
        p, weights, fisher = vector(1)
        method, optimizer = begin(weights, fisher, momentum, wall=wall, **FOUR_BITS)
        for _ in range(pressed):
            step(method, optimizer, {p: torch.tensor([-g])})
            assert float(p) == 1 / 16
        taken = 1
        while float(p) == 1 / 16 and taken < 200:
            step(method, optimizer, {p: torch.tensor([g])})
            taken += float(p) == 1 / 16
        assert taken == steps, wall


def test_walls_stop_weights_of_an_optimiser_without_momentum_too(begin):
    p, weights, fisher = vector(1)
    method, optimizer = begin(weights, fisher, momentum=0.0, wall="stop", **FOUR_BITS)
    step(method, optimizer, {p: torch.tensor([-1e3])})
    assert float(p) == 1 / 16
    assert "momentum_buffer" not in optimizer.state_dict()["state"].get(0, {})


def test_the_velocity_is_still_in_reach_after_a_resume(begin):
    p, weights, fisher = vector(1)
    method, optimizer = begin(weights, fisher, wall="stop", **FOUR_BITS)
    step(method, optimizer, {p: torch.tensor([1.0])})
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # as from a file
    step(method, optimizer, {p: torch.tensor([1e3])})
    assert not optimizer.state[p]["momentum_buffer"].any()


@pytest.mark.parametrize(("wall", "decays"), [("plain", True), ("stop", False)])
def test_where_walls_stop_the_weights_the_trunk_decays_no_more_and_the_head_still_does(begin, wall, decays):
    """Nesterov's first step with a gradient of 0 is lr * decay * (1 + mu) * theta."""
    decay, momentum = 0.5, 0.9
    trunk, head = nn.Parameter(torch.full((3,), 0.5)), nn.Parameter(torch.full((3,), 0.5))
    weights, fisher = {"norm.bias": trunk}, {"norm.bias": torch.ones(3)}
    method, optimizer = begin(weights, fisher, momentum, decay, more=[head], wall=wall, **FOUR_BITS)
    step(method, optimizer, {trunk: torch.zeros(3), head: torch.zeros(3)})
    shrunk = torch.full((3,), 0.5 * (1 - LR * decay * (1 + momentum)))
    torch.testing.assert_close(head.detach(), shrunk, rtol=1e-6, atol=0)
    if decays:
        torch.testing.assert_close(trunk.detach(), shrunk, rtol=1e-6, atol=0)
    else:
        assert torch.equal(trunk.detach(), torch.full((3,), 0.5))


def test_each_parameter_stays_in_one_group_with_the_same_rate_and_momentum(begin):
    p, weights, fisher = vector()
    head = nn.Parameter(torch.zeros(3))
    _, optimizer = begin(weights, fisher, decay=0.5, more=[head], wall="stop", **FOUR_BITS)
    rest, protected = optimizer.param_groups
    assert (rest["params"], protected["params"]) == ([head], [p])
    assert (rest.pop("weight_decay"), protected.pop("weight_decay")) == (0.5, 0.0)
    del rest["params"], protected["params"]
    assert rest == protected


VARIANTS = [
    {"wall": "stop"}, {"wall": "stop", "strict": True, "zero_bit": "zero"}, {"prior": 1e-18},
    {"protect": "convolutions"}, {"fisher_unit": "mean-loss"},
    {"wall": "stop", "prior": 1e-18, "protect": "convolutions", "fisher_unit": "mean-loss"},
]  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_no_bits_are_finetuning_to_the_bit_whatever_else_is_set(begin, variant):
    trained = []
    for settings in (None, {"target_bits": 0.0, **variant}):
        torch.manual_seed(0)
        weights = network()
        if settings is None:
            optimizer = torch.optim.SGD(list(weights.values()), LR, 0.9, weight_decay=0.1, nesterov=True)
            method = SimpleNamespace(after_step=lambda iteration, lr: None)
        else:
            method, optimizer = begin(weights, fisher_of(weights), decay=0.1, **settings)
        for _ in range(5):
            step(method, optimizer, {p: 100 * torch.randn_like(p) for p in weights.values()})
        trained.append(weights)
    for name, value in trained[0].items():
        assert torch.equal(value, trained[1][name]), name
    assert method.effect() == 0


def network():
    """Parameters of each kind, by nnU-Net's names."""
    shapes = {
        "encoder.conv.weight": (4, 3, 1, 3, 3), "encoder.conv.bias": (4,), "encoder.norm.weight": (4,),
        "encoder.norm.bias": (4,), "decoder.transpconvs.0.weight": (4, 2, 2, 2, 2),
        "decoder.transpconvs.0.bias": (2,),
    }  # fmt: skip
    return {name: nn.Parameter(0.2 * torch.randn(shape)) for name, shape in shapes.items()}


def fisher_of(weights):
    return {
        name: torch.rand(p.shape, generator=torch.Generator().manual_seed(len(name))) for name, p in weights.items()
    }


@pytest.mark.parametrize("unit", ["voxel", "mean-loss"])
def test_a_constant_prior_times_the_fan_in_is_every_layers_first_fisher_in_the_unit_asked_for(begin, unit):
    """Bits are 0.5 log2((F + F_prior fan_in) / (2 F_prior fan_in)) rounded up, with F / V of the loss's mean."""
    weights = network()
    fisher, prior = fisher_of(weights), 1e-5
    method, _ = begin(weights, fisher, prior=prior, fisher_unit=unit)
    kept = method.end_stage()
    assert kept["prior"] == prior
    for name, p in weights.items():
        f, first = fisher[name] / (VOXELS if unit == "mean-loss" else 1), prior * fan_in(name, p)
        expected = grown_bits(torch.zeros_like(f), information_gain(f, first, 1), 20)
        assert torch.equal(kept["bits"][name].float(), expected), name
        torch.testing.assert_close(kept["fisher"][name], (f + first) / 2)


def test_the_prior_that_bits_choose_makes_the_fishers_unit_irrelevant(begin):
    bits = []
    for unit in ("voxel", "mean-loss"):
        weights = network()
        bits.append(begin(weights, fisher_of(weights), fisher_unit=unit)[0].end_stage()["bits"])
        assert any(b.any() for b in bits[-1].values())
    for name, value in bits[0].items():
        assert torch.equal(value, bits[1][name]), name


def test_a_constant_prior_outlasts_the_stages_and_bits_add_up_as_published(begin, stage):
    """The nnU-Net v1 fork's layer: 32 inputs, kernel 3, prior 1e-18, F = 1e-12 at every task (peers.md)."""
    weights = {"encoder.weight": nn.Parameter(torch.zeros(1, 32, 3, 3, 3))}
    fisher = {"encoder.weight": torch.full((1, 32, 3, 3, 3), 1e-12 * VOXELS)}
    method, _ = begin(weights, fisher, prior=1e-18, fisher_unit="mean-loss", protect="convolutions")
    found = [method.end_stage()]
    for _ in range(2):
        method = BLIP(prior=1e-18, fisher_unit="mean-loss", protect="convolutions")
        method.begin_stage(stage(weights, memory=found[-1]))
        found.append(method.end_stage())
    assert [int(one["bits"]["encoder.weight"].unique()) for one in found] == [5, 6, 7]


def test_convolutions_alone_leaves_every_other_weight_free_and_says_so(begin):
    weights = network()
    before = {name: p.detach().clone() for name, p in weights.items()}
    method, optimizer = begin(
        weights, fisher_of(weights), protect="convolutions", wall="stop", decay=0.5, zero_bit="zero"
    )
    free = {name for name in weights if name != "encoder.conv.weight"}
    assert all(torch.equal(weights[name], before[name]) for name in free)
    assert not torch.equal(weights["encoder.conv.weight"], before["encoder.conv.weight"])
    step(method, optimizer, {p: torch.full_like(p, 1e4) for p in weights.values()})
    for name in free:
        expected = before[name] - LR * 1.9 * (1e4 + 0.5 * before[name])
        torch.testing.assert_close(weights[name].detach(), expected)
    assert float((weights["encoder.conv.weight"] - before["encoder.conv.weight"]).detach().abs().max()) < 3
    numbers = method.evidence()
    assert (numbers["tensors_protected"], numbers["tensors_expected"]) == (1, len(weights))
    assert set(method.end_stage()["bits"]) == {"encoder.conv.weight"}
