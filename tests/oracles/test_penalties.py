"""Quadratic penalties, distillation and BLIP against their closed forms (methods.md section 7)."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from clbench.methods.base import Context, Method
from clbench.methods.blip import BLIP, fan_in, grown_bits, information_gain, prior_for, quantized
from clbench.methods.ewc import EWC
from clbench.methods.l2 import L2
from clbench.methods.lwf import distillation
from clbench.methods.quadratic import QuadraticPenalty


def context(parameters, momentum=0.0, iterations=10, **more):
    fields = {"memory": None, "iterations": iterations, "lr": 0.1, **more}
    made = SimpleNamespace(trunk=parameters, momentum=momentum, moment=lambda iteration: "last", **fields)
    made.recalled = lambda part: Context.recalled(made, part)
    return made


def penalty(strength, update, anchor, importance, momentum=0.0):
    parameter = nn.Parameter(anchor.clone())
    method = QuadraticPenalty(strength, update)
    method.protect(context({"w": parameter}, momentum), {"w": importance})
    return method, parameter


def test_foreach_gradient_equals_autograds_of_the_penalty_exactly():
    torch.manual_seed(0)
    anchor, importance = torch.randn(50), torch.rand(50)
    method, parameter = penalty(0.7, "gradient", anchor, importance)
    with torch.no_grad():
        parameter += torch.randn(50)
    loss = 0.7 / 2 * (importance * (parameter - anchor) ** 2).sum()
    (expected,) = torch.autograd.grad(loss, parameter)
    parameter.grad = torch.zeros(50)
    method.after_backward(0, lr=0.1)
    torch.testing.assert_close(parameter.grad, expected, rtol=1e-6, atol=1e-7)


def test_penalty_and_gradient_are_zero_at_the_anchor():
    method, parameter = penalty(5.0, "gradient", torch.randn(9), torch.rand(9))
    parameter.grad = torch.zeros(9)
    method.after_backward(0, lr=0.1)
    assert not parameter.grad.any()
    assert method.effect() == 0


def test_a_weight_that_the_loss_does_not_reach_gets_no_gradient_from_the_penalty_either():
    """A head's coarsest layers: with a gradient of 0 in its place, weight decay would move them."""
    used, unused = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    method = QuadraticPenalty(1.0, "gradient")
    method.protect(context({"unused": unused, "used": used}), {"unused": torch.ones(2), "used": torch.ones(2)})
    with torch.no_grad():
        used += 3
    used.grad = torch.ones(2)
    method.after_backward(0, lr=0.1)
    assert unused.grad is None
    assert used.grad.tolist() == [4.0, 4.0]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_proximal_and_gradient_updates_have_the_same_fixed_point(momentum):
    """Task loss h/2 (theta - target)^2; the penalised optimum is (h target + lambda F anchor) / (h + lambda F)."""
    h, target, anchor, importance, strength, lr = 2.0, 3.0, -1.0, 1.5, 0.4, 0.001
    expected = (h * target + strength * importance * anchor) / (h + strength * importance)
    for update in ("gradient", "proximal"):
        method, p = penalty(strength, update, torch.tensor([anchor]), torch.tensor([importance]), momentum)
        optimizer = torch.optim.SGD([p], lr, momentum)
        for iteration in range(12000):
            p.grad = h * (p.detach() - target)
            method.after_backward(iteration, lr)
            optimizer.step()
            method.after_step(iteration, lr)
        assert float(p) == pytest.approx(expected, abs=5e-3), update


def test_the_nesterov_stability_bound_holds_for_gradient_updates_and_proximal_ones_need_none():
    lr, momentum = 0.01, 0.99
    bound = 2 * (1 + momentum) / (1 + 2 * momentum) / lr
    for factor, stable in ((0.99, True), (1.01, False)):
        assert (abs(nesterov("gradient", factor * bound, lr, momentum)) < 10) == stable
    assert abs(nesterov("proximal", 1e6 * bound, lr, momentum)) < 10


def nesterov(update, strength, lr, momentum):
    """Where theta is after 4000 steps under the penalty alone, from 1 with the anchor at 0."""
    method, p = penalty(strength, update, torch.zeros(1), torch.ones(1), momentum)
    with torch.no_grad():
        p += 1
    optimizer = torch.optim.SGD([p], lr, momentum, nesterov=True)
    for iteration in range(4000):
        p.grad = torch.zeros(1)
        method.after_backward(iteration, lr)
        optimizer.step()
        method.after_step(iteration, lr)
    return float(p)


@pytest.mark.parametrize(("factor", "runs_away"), [(0.99, False), (100, True), (1e6, True)])
def test_an_unstable_penalty_is_said_to_diverge_although_clipping_keeps_it_finite(factor, runs_away):
    lr, momentum = 0.01, 0.9
    bound = 2 * (1 + momentum) / (1 + 2 * momentum) / lr
    method, p = penalty(factor * bound, "gradient", torch.zeros(1), torch.ones(1), momentum)
    method.context.lr = lr
    optimizer = torch.optim.SGD([p], lr, momentum, nesterov=True)
    assert not method.diverging(0.5)
    with torch.no_grad():
        p += 0.01
    for iteration in range(300):
        p.grad = torch.zeros(1)
        method.after_backward(iteration, lr)
        nn.utils.clip_grad_norm_([p], 12.0)
        optimizer.step()
    assert p.isfinite()
    assert method.penalty() == pytest.approx(factor * bound / 2 * float(p) ** 2)
    assert method.diverging(0.5) == runs_away


def test_a_penalty_runs_away_beyond_ten_times_the_first_epochs_loss_or_one():
    method, p = penalty(1000.0, "gradient", torch.zeros(1), torch.ones(1))
    assert method.stability() > 1
    for value, loss, runs_away in ((9, 0.1, False), (11, 0.1, True), (19, -2.0, False), (21, -2.0, True)):
        with torch.no_grad():
            p.fill_((value / 500) ** 0.5)
        assert method.diverging(loss) == runs_away
    with torch.no_grad():
        p.fill_(float("nan"))
    assert method.diverging(0.1)


def test_a_stable_gradient_and_a_proximal_step_are_never_said_to_diverge():
    for method, p in (penalty(1.0, "gradient", *torch.ones(2, 1)), penalty(1e9, "proximal", *torch.ones(2, 1))):
        with torch.no_grad():
            p.fill_(1e4)
        assert method.penalty() > 1e6
        assert not method.diverging(0.5)


def fisher_is(monkeypatch, value):
    """Let EWC find this Fisher: a tensor, or what a stage's context makes of it."""
    import clbench.methods.ewc as module

    def estimate(context, *_):
        return SimpleNamespace(diagonal={"w": value(context) if callable(value) else value}, voxels=8, patches=4)

    monkeypatch.setattr(module, "estimate_fisher", estimate)


def train(method, parameter, h, best, momentum=0.0, lr=0.05, steps=400):
    """Minimise ``sum h/2 (theta - best)^2`` by SGD with the method's hooks."""
    optimizer = torch.optim.SGD([parameter], lr, momentum)
    for iteration in range(steps):
        parameter.grad = h * (parameter.detach() - best)
        method.after_backward(iteration, lr)
        optimizer.step()
        method.after_step(iteration, lr)


def sequence(monkeypatch, h, best, momentum=0.0, **settings):
    """Where EWC ends after tasks with these curvatures and optima: ``(T, n)``; the Fisher is the curvature."""
    theta, memory = nn.Parameter(best[0].clone()), None
    for t in range(1, len(h)):
        fisher_is(monkeypatch, h[t - 1].clone())
        before = context({"w": theta}, momentum)
        before.memory = memory
        method = EWC(strength=1.0, normalize="none", **settings)
        method.begin_stage(before)
        train(method, theta, h[t], best[t], momentum)
        memory = method.end_stage()
    return theta.detach()


def gaussian_tasks(number):
    torch.manual_seed(number)
    return torch.rand(number, 4) * 1.5 + 0.5, torch.randn(number, 4)


@pytest.mark.parametrize("update", ["gradient", "proximal"])
@pytest.mark.parametrize("tasks", [2, 3, 6])
def test_online_ewc_with_gamma_one_equals_joint_training_of_linear_gaussian_tasks(monkeypatch, tasks, update):
    h, best = gaussian_tasks(tasks)
    joint = (h * best).sum(0) / h.sum(0)
    theta = sequence(monkeypatch, h, best, anchor="last", update=update)
    torch.testing.assert_close(theta, joint, rtol=0, atol=2e-4)


def test_an_anchor_per_task_equals_joint_training_of_two_tasks_and_of_no_more(monkeypatch):
    """theta_t = (h_t b_t + sum_k h_k theta_k) / sum h: later anchors hold the earlier tasks, which count twice."""
    for tasks in (2, 3, 5):
        h, best = gaussian_tasks(tasks)
        joint = (h * best).sum(0) / h.sum(0)
        ends = [best[0]]
        for t in range(1, tasks):
            pulled = sum(h[k] * ends[k] for k in range(t))
            ends.append((h[t] * best[t] + pulled) / h[: t + 1].sum(0))
        theta = sequence(monkeypatch, h, best, anchor="each", update="gradient")
        torch.testing.assert_close(theta, ends[-1], rtol=0, atol=2e-4)
        assert torch.allclose(theta, joint, atol=2e-3) == (tasks == 2)


@pytest.mark.parametrize("gamma", [1.0, 0.6])
def test_the_two_buffers_of_anchor_each_have_the_gradient_of_the_sum_of_a_penalty_per_task(monkeypatch, gamma):
    torch.manual_seed(1)
    fishers, trunks = torch.rand(5, 30), torch.randn(5, 30)
    fishers[:, :3] = 0
    fishers[:4, 3:6] = 0
    memory, theta = None, nn.Parameter(torch.zeros(30))
    for fisher, trunk in zip(fishers, trunks, strict=True):
        with torch.no_grad():
            theta.copy_(trunk)
        fisher_is(monkeypatch, fisher.clone())
        before = context({"w": theta})
        before.memory = memory
        method = EWC(strength=0.7, gamma=gamma, anchor="each", normalize="none", update="gradient")
        method.begin_stage(before)
        memory = method.end_stage()
    with torch.no_grad():
        theta.copy_(torch.randn(30))
    weights = [gamma**age for age in (4, 3, 2, 1, 0)]
    penalties = [w * (f * (theta - p) ** 2).sum() for w, f, p in zip(weights, fishers, trunks, strict=True)]
    (expected,) = torch.autograd.grad(0.7 / 2 * sum(penalties), theta)
    theta.grad = torch.zeros(30)
    method.after_backward(0, lr=0.1)
    torch.testing.assert_close(theta.grad, expected, rtol=1e-4, atol=1e-5)
    assert sum(tensor.numel() for part in memory.values() for tensor in part.values()) == 2 * 30


def test_ewc_accumulates_gamma_times_the_old_fisher_plus_the_new(monkeypatch):
    fisher_is(monkeypatch, torch.tensor([1.0, 3.0]))
    method = EWC(gamma=0.5, normalize="none")
    before = context({"w": nn.Parameter(torch.zeros(2))})
    before.memory = {"fisher": {"w": torch.tensor([10.0, 20.0])}}
    method.begin_stage(before)
    assert method.end_stage()["fisher"]["w"].tolist() == [6.0, 13.0]


def test_each_tasks_fisher_is_scaled_to_mean_one_before_it_is_added(monkeypatch):
    fisher_is(monkeypatch, torch.tensor([1.0, 3.0]))
    before = context({"w": nn.Parameter(torch.zeros(2))})
    before.memory = {"fisher": {"w": torch.tensor([1.8, 0.2])}}
    method = EWC(strength=1.0)
    method.begin_stage(before)
    torch.testing.assert_close(method.end_stage()["fisher"]["w"], torch.tensor([2.3, 1.7]))
    assert method.evidence()["fisher_trace"] == 4


@pytest.mark.parametrize("update", ["gradient", "proximal"])
def test_ewc_with_a_fisher_of_one_is_the_l2_anchor_and_at_strength_zero_nothing(monkeypatch, update):
    torch.manual_seed(2)
    h, best, start = torch.rand(6), torch.randn(6), torch.randn(6)
    ends = {}
    for name, strength, fisher in (("ewc", 0.5, torch.ones(6)), ("l2", 0.5, None), ("zero", 0.0, 9 * torch.rand(6))):
        fisher_is(monkeypatch, fisher)
        method = L2(strength=strength) if fisher is None else EWC(strength=strength, normalize="none")
        method.update = update
        theta = nn.Parameter(start.clone())
        method.begin_stage(context({"w": theta}, 0.9))
        train(method, theta, h, best, 0.9, steps=30)
        ends[name] = theta.detach()
    plain = nn.Parameter(start.clone())
    train(Method(), plain, h, best, 0.9, steps=30)
    assert torch.equal(ends["ewc"], ends["l2"])
    assert torch.equal(ends["zero"], plain.detach())
    assert not torch.allclose(ends["l2"], plain, atol=1e-2)


def test_a_proximal_pull_of_unbounded_strength_freezes_what_is_important(monkeypatch):
    fisher_is(monkeypatch, torch.tensor([1.0, 0.0]))
    theta = nn.Parameter(torch.tensor([0.3, 0.3]))
    method = EWC(strength=1e9, normalize="none")
    method.begin_stage(context({"w": theta}, 0.9))
    train(method, theta, torch.ones(2), torch.tensor([5.0, 5.0]), 0.9)
    assert theta.detach().tolist() == pytest.approx([0.3, 5.0], abs=1e-4)


@pytest.mark.parametrize("cap", [False, True])
def test_a_capped_fisher_keeps_gradient_updates_under_the_nesterov_bound_where_an_uncapped_one_diverges(
    monkeypatch, cap
):
    lr, momentum, strength = 0.01, 0.99, 30.0
    fisher_is(monkeypatch, torch.tensor([1e6, 5.0, 0.01]))
    theta = nn.Parameter(torch.zeros(3))
    before = context({"w": theta}, momentum)
    before.lr = lr
    method = EWC(strength=strength, normalize="none", update="gradient", cap=cap)
    method.begin_stage(before)
    with torch.no_grad():
        theta += 1
    optimizer = torch.optim.SGD([theta], lr, momentum, nesterov=True)
    for iteration in range(4000 if cap else 200):
        theta.grad = torch.zeros(3)
        method.after_backward(iteration, lr)
        optimizer.step()
    most = float(method._importance[0].max())
    assert (lr * strength * most < 2 * (1 + momentum) / (1 + 2 * momentum)) == cap
    assert (bool(torch.isfinite(theta).all()) and float(theta.detach().abs().max()) < 1) == cap
    if cap:
        assert method._importance[0].tolist()[2] == pytest.approx(0.01)
        assert method.evidence()["importance_capped_share"] == pytest.approx(2 / 3)
    assert method.end_stage()["fisher"]["w"].tolist() == pytest.approx([1e6, 5.0, 0.01])


@given(st.floats(0.5, 8), st.integers(2, 4))
def test_distillation_gradient_is_t_over_n_times_the_difference_of_probabilities(temperature, classes):
    torch.manual_seed(classes)
    student = torch.randn(2, classes, 3, 2, 2, dtype=torch.float32, requires_grad=True)
    teacher = torch.randn(2, classes, 3, 2, 2)
    (gradient,) = torch.autograd.grad(distillation(student, teacher, temperature), student)
    difference = (student / temperature).softmax(1) - (teacher / temperature).softmax(1)
    torch.testing.assert_close(gradient, temperature / 24 * difference, rtol=1e-4, atol=1e-6)


def test_distillation_is_zero_where_logits_differ_by_a_constant_per_voxel():
    teacher = torch.randn(1, 3, 2, 2, 2)
    assert float(distillation(teacher + torch.randn(1, 1, 2, 2, 2), teacher, 2.0)) == pytest.approx(0, abs=1e-6)
    assert float(distillation(teacher + torch.randn(1, 3, 2, 2, 2), teacher, 2.0)) > 1e-3


def test_blip_bits_follow_the_published_golden_values():
    """Seed layer of the nnU-Net v1 fork: 32 inputs, kernel 3, prior 1e-18 (peers.md)."""
    old = torch.full((6,), 1e-18 * 32 * 27, dtype=torch.float64)
    fisher = torch.tensor([1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4], dtype=torch.float64)
    gain = information_gain(fisher, old, 1)
    assert grown_bits(torch.zeros(6), gain, 20).tolist() == [2, 5, 8, 12, 15, 18]


def test_blip_earns_no_bits_at_the_old_fisher_two_at_31_times_and_one_more_at_four_times():
    one = torch.ones(1)
    assert float(information_gain(one, 1.0, 1)) == 0
    assert float(grown_bits(0 * one, information_gain(31 * one, 1.0, 1), 20)) == 2
    assert float(information_gain(4e6 * one, 1.0, 1) - information_gain(1e6 * one, 1.0, 1)) == pytest.approx(
        1, abs=1e-3
    )


@given(st.integers(1, 12), st.floats(0.1, 3))
def test_quantised_weights_lie_on_their_grid_within_half_a_step_and_stay_there(bits, bound):
    torch.manual_seed(bits)
    weight = (torch.rand(200) * 2 - 1) * bound
    b = torch.full((200,), float(bits))
    step = bound * 2.0**-bits
    once = quantized(weight, b, bound, "keep")
    assert float((once - weight).abs().max()) <= step / 2 * (1 + 1e-4)
    torch.testing.assert_close(once / step, (once / step).round(), rtol=0, atol=1e-3)
    assert torch.equal(quantized(once, b, bound, "keep"), once)


def test_weights_without_bits_are_kept_or_zeroed_as_asked():
    weight, none = torch.tensor([0.3]), torch.zeros(1)
    assert float(quantized(weight, none, 1.0, "keep")) == pytest.approx(0.3)
    assert float(quantized(weight, none, 1.0, "zero")) == 0


def blip_after_begin(monkeypatch, strict):
    import clbench.methods.blip as module

    torch.manual_seed(0)
    weights = {"a.weight": nn.Parameter(torch.randn(4, 3, 3, 1, 3) * 0.2),
               "decoder.transpconvs.0.weight": nn.Parameter(torch.randn(4, 2, 2, 2, 2) * 0.2),
               "norm.weight": nn.Parameter(torch.ones(4))}  # fmt: skip
    fisher = {name: torch.rand_like(p) ** 4 for name, p in weights.items()}
    monkeypatch.setattr(module, "estimate_fisher", lambda context, draws: SimpleNamespace(diagonal=fisher))
    method = BLIP(target_bits=3.0, strict=strict)
    method.begin_stage(context(weights))
    return method, weights


@pytest.mark.parametrize("strict", [False, True])
def test_blip_keeps_every_weight_within_its_interval_after_every_step(monkeypatch, strict):
    method, weights = blip_after_begin(monkeypatch, strict)
    start = {name: p.detach().clone() for name, p in weights.items()}
    for iteration in range(5):
        with torch.no_grad():
            for p in weights.values():
                p += torch.randn_like(p)
        method.after_step(iteration, lr=0.1)
        for name, p in weights.items():
            half = method._bounds[name] * torch.exp2(-method._bits[name]) * (0.5 if strict else 1)
            assert ((p - start[name]).abs() <= half * (1 + 1e-5) + 1e-7).all()
    assert method.effect() > 0


def test_strict_blip_never_changes_a_frozen_bit_and_the_papers_code_may(monkeypatch):
    changed = {}
    for strict in (False, True):
        method, weights = blip_after_begin(monkeypatch, strict)
        codes = {name: _code(method, name, p) for name, p in weights.items()}
        with torch.no_grad():
            for p in weights.values():
                p += 0.999 * 10 * torch.sign(torch.randn_like(p))
        method.after_step(0, lr=0.1)
        with torch.no_grad():
            for name, p in weights.items():  # an adversarial move ends on the wall; step back inside by a hair
                p.copy_(p - 1e-4 * (p - codes[name] * method._bounds[name] * torch.exp2(-method._bits[name])))
        changed[strict] = sum(
            int(((_code(method, n, p) != codes[n]) & (method._bits[n] > 0)).sum()) for n, p in weights.items()
        )
    assert changed[True] == 0
    assert changed[False] > 0


def _code(method, name, parameter):
    step = method._bounds[name] * torch.exp2(-method._bits[name])
    return torch.round(parameter.detach() / step)


@given(st.floats(0.5, 9))
def test_the_prior_meets_the_target_of_mean_bits(target):
    torch.manual_seed(0)
    fisher = {"w": torch.exp(3 * torch.randn(5000))}
    prior = prior_for(fisher, {"w": 27}, target, 20)
    bits = grown_bits(torch.zeros(5000), information_gain(fisher["w"], prior * 27, 1), 20)
    assert float(bits.mean()) == pytest.approx(target, abs=0.05)


def test_fan_in_counts_transposed_and_anisotropic_kernels_rightly():
    assert fan_in("encoder.weight", torch.empty(8, 4, 1, 3, 3)) == 36
    assert fan_in("decoder.transpconvs.0.weight", torch.empty(8, 4, 2, 2, 2)) == 64
    assert fan_in("norm.bias", torch.empty(8)) == 1
