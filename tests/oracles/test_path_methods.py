"""SI, RWalk and MAS against their closed forms (methods.md sections 4.1-4.3 and 7)."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from clbench.methods.mas import MAS, sensitivity
from clbench.methods.rwalk import RWalk
from clbench.methods.si import SI
from clbench.network.batch import Batch

H = torch.tensor([0.5, 1.0, 2.0, 4.0])


def parameter(values):
    return nn.Parameter(torch.tensor(values))


def descend(method, theta, lr, steps, h=H, momentum=0.0):
    """Plain SGD on ``sum h/2 theta^2`` with the method's hooks."""
    optimizer = torch.optim.SGD([theta], lr, momentum)
    for iteration in range(steps):
        theta.grad = h * theta.detach()
        method.after_backward(iteration, lr)
        optimizer.step()
        method.after_step(iteration, lr)


@pytest.mark.parametrize("lr", [0.1, 0.01, 0.001])
def test_sis_omega_is_the_fall_of_the_loss_as_the_rate_goes_to_zero(stage, lr):
    """A sum over steps of g^2 lr instead of an integral: too much by 1 / (1 - lr h / 2), exactly."""
    theta = parameter([1.0, -2.0, 0.5, 3.0])
    fall = H / 2 * theta.detach() ** 2
    method = SI(strength=0.0)
    method.begin_stage(stage({"w": theta}, earlier=()))
    descend(method, theta, lr, int(30 / lr))
    omega = method._path["omega"][0]
    torch.testing.assert_close(omega, fall / (1 - lr * H / 2), rtol=2e-3, atol=0)
    assert float((omega / fall - 1).abs().max()) < 2.5 * lr + 2e-3


def test_sis_importance_without_damping_is_half_the_curvature_so_that_c_one_is_the_old_loss(stage):
    theta = parameter([1.0, -2.0, 0.5, 3.0])
    method = SI(strength=0.0, xi=0.0, normalize="none")
    method.begin_stage(stage({"w": theta}, earlier=()))
    descend(method, theta, 0.002, 10000)
    memory = method.end_stage()
    torch.testing.assert_close(memory["importance"]["w"], H / 2, rtol=6e-3, atol=0)
    later = SI(strength=2.0, xi=0.0, normalize="none", update="gradient")  # twice the paper's c
    later.begin_stage(stage({"w": theta}, memory=memory))
    with torch.no_grad():
        theta += 1
    theta.grad = torch.zeros(4)
    later.after_backward(0, 0.1)
    torch.testing.assert_close(theta.grad, H, rtol=6e-3, atol=0)


def test_sis_damping_adds_to_the_squared_drift_and_negative_omega_counts_as_nothing(stage):
    theta = parameter([0.0, 0.0])
    method = SI(strength=0.0, xi=0.5, normalize="none")
    method.begin_stage(stage({"w": theta}, earlier=()))
    theta.grad = torch.tensor([-3.0, 3.0])  # the second goes up its loss
    method.after_backward(0, 0.1)
    with torch.no_grad():
        theta += torch.tensor([2.0, 2.0])
    method.after_step(0, 0.1)
    assert method.end_stage()["importance"]["w"].tolist() == pytest.approx([6 / (4 + 0.5), 0])
    assert method.evidence()["stage_importance_zero_share"] == 0.5
    assert method.evidence()["loss_fall_on_path"] == 0


def test_each_stages_importance_is_added_to_that_of_earlier_ones_each_at_mean_one(stage):
    memory = {"importance": {"w": torch.tensor([2.0, 0.0])}}
    for normalize, expected in (("trace", [2.5, 1.5]), ("none", [2 + 1 / 1.001, 3 / 1.001])):
        theta = parameter([0.0, 0.0])
        method = SI(strength=0.0, normalize=normalize)
        method.begin_stage(stage({"w": theta}, memory=memory))
        theta.grad = torch.tensor([-1.0, -3.0])
        method.after_backward(0, 0.1)
        with torch.no_grad():
            theta += 1
        method.after_step(0, 0.1)
        assert method.end_stage()["importance"]["w"].tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("update", ["gradient", "proximal"])
@pytest.mark.parametrize("kind", [SI, RWalk])
def test_the_watched_gradient_is_the_tasks_own_before_penalty_and_clipping(stage, kind, update):
    theta = parameter([1.0, 1.0])
    names = ("importance", "scores", "fisher")
    memory = {name: {"w": torch.ones(2)} for name in names}
    method = kind(strength=5.0, update=update)
    method.begin_stage(stage({"w": theta}, memory=memory))
    with torch.no_grad():
        theta += 1  # the penalty pulls
    theta.grad = torch.tensor([3.0, 4.0])
    method.after_backward(0, 0.1)
    theta.grad.mul_(0.01)  # as clipping does, in place
    assert method._gradients[0].tolist() == [3.0, 4.0]


def test_a_weight_held_where_it_is_has_gone_nowhere(stage):
    """Pulled back after every step, it must not gather importance for steps that were undone."""
    memory = {"importance": {"held": torch.full((1,), 1e9), "free": torch.zeros(1)}}
    trunk = {"held": parameter([1.0]), "free": parameter([1.0])}
    method = SI(strength=1.0, normalize="none")
    method.begin_stage(stage(trunk, memory=memory))
    optimizer = torch.optim.SGD(trunk.values(), 0.1)
    for iteration in range(50):
        for p in trunk.values():
            p.grad = p.detach().clone()
        method.after_backward(iteration, 0.1)
        optimizer.step()
        method.after_step(iteration, 0.1)
    held, free = (float(omega) for omega in method._path["omega"])
    assert abs(held) < 1e-5
    assert free == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("kind", [SI, RWalk])
def test_a_step_that_mixed_precision_skipped_leaves_no_infinity_behind(stage, kind):
    theta = parameter([1.0, 2.0, 3.0, 4.0])
    method = kind(strength=0.0)
    method.begin_stage(stage({"w": theta}, earlier=()))
    theta.grad = torch.tensor([float("inf"), float("nan"), float("-inf"), 1.0])
    method.after_backward(0, 0.1)
    method.after_step(0, 0.1)
    descend(method, theta, 0.1, 20)
    assert all(torch.isfinite(tensor).all() for tensors in method._path.values() for tensor in tensors)
    assert torch.isfinite(method.end_stage()["importance"]["w"]).all()


@pytest.mark.parametrize("kind", [SI, RWalk])
def test_what_was_gathered_survives_a_kill(stage, kind):
    ends = []
    for killed in (False, True):
        theta = parameter([1.0, -2.0, 0.5, 3.0])
        method = kind(strength=0.0)
        method.begin_stage(stage({"w": theta}, earlier=(), iterations=15))
        descend(method, theta, 0.05, 7)
        if killed:
            state = {key: _copied(value) for key, value in method.state().items()}
            middle = theta.detach().clone()
            theta = parameter([1.0, -2.0, 0.5, 3.0])
            method = kind(strength=0.0)
            method.begin_stage(stage({"w": theta}, earlier=(), iterations=15))
            with torch.no_grad():
                theta.copy_(middle)
            method.load_state(state)
        for iteration in range(7, 15):
            theta.grad = H * theta.detach()
            method.after_backward(iteration, 0.05)
            with torch.no_grad():
                theta -= 0.05 * theta.grad
            method.after_step(iteration, 0.05)
        ends.append(method.end_stage())
    for part, tensors in ends[0].items():
        assert torch.equal(tensors["w"], ends[1][part]["w"])


def _copied(value):
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, list):
        return [_copied(v) for v in value]
    return {k: _copied(v) for k, v in value.items()} if isinstance(value, dict) else value


def test_the_first_stage_claims_no_effect_and_later_ones_the_penaltys(stage):
    theta = parameter([1.0, -2.0, 0.5, 3.0])
    first = SI(strength=1.0)
    first.begin_stage(stage({"w": theta}, earlier=()))
    descend(first, theta, 0.1, 10)
    memory = first.end_stage()
    assert first.effect() is None
    assert first.evidence()["loss_fall_on_path"] > 0
    second = SI(strength=1.0)
    second.begin_stage(stage({"w": theta}, memory=memory))
    descend(second, theta, 0.1, 10)
    assert second.effect() > 0
    assert second.evidence()["tensors_protected"] == second.evidence()["tensors_expected"] == 1


def walk(method, gradients, ways, theta):
    """Given gradients and given steps, whatever an optimiser would do."""
    for iteration, (gradient, way) in enumerate(zip(gradients, ways, strict=True)):
        theta.grad = gradient.clone()
        method.after_backward(iteration, 0.1)
        with torch.no_grad():
            theta += way
        method.after_step(iteration, 0.1)


def test_rwalk_is_its_recursion_and_looks_at_the_last_step_too(stage):
    torch.manual_seed(0)
    gradients, ways = torch.randn(10, 6), 0.1 * torch.randn(10, 6)
    theta = nn.Parameter(torch.zeros(6))
    method = RWalk(strength=0.0, decay=0.9, interval=4, damping=1e-3)
    method.begin_stage(stage({"w": theta}, earlier=(), iterations=10))
    walk(method, gradients, ways, theta)
    fisher, score = torch.zeros(6), torch.zeros(6)
    for first, last in ((0, 3), (4, 7), (8, 9)):
        part = slice(first, last + 1)
        fisher = 0.9 * gradients[last] ** 2 + 0.1 * fisher
        fall = -(gradients[part] * ways[part]).sum(0)
        score += (fall / (fisher * ways[part].sum(0) ** 2 / 2 + 1e-3)).clamp(min=0)
    torch.testing.assert_close(method._path["fisher"][0], fisher)
    torch.testing.assert_close(method._path["score"][0], score, rtol=1e-3, atol=1e-3)
    memory = method.end_stage()
    raw = fisher / fisher.max() + score / score.max()
    torch.testing.assert_close(memory["importance"]["w"], raw / raw.mean(), rtol=1e-3, atol=1e-3)


def test_rwalk_scores_and_importance_are_nowhere_negative_and_each_part_is_at_most_one(stage):
    torch.manual_seed(1)
    trunk = {"a": nn.Parameter(torch.zeros(40)), "b": nn.Parameter(torch.zeros(3, 5))}
    method = RWalk(strength=0.0, interval=1, normalize="none")
    method.begin_stage(stage(trunk, earlier=(), iterations=30))
    for iteration in range(30):
        for p in trunk.values():
            p.grad = torch.randn_like(p)
        method.after_backward(iteration, 0.1)
        with torch.no_grad():
            for p in trunk.values():
                p += 0.1 * torch.randn_like(p)  # up the loss as often as down
        method.after_step(iteration, 0.1)
    memory = method.end_stage()
    importance = torch.cat([t.flatten() for t in memory["importance"].values()])
    parts = [torch.cat([t.flatten() for t in memory[name].values()]) for name in ("fisher", "scores")]
    assert all(float(part.min()) >= 0 < float(part.max()) for part in parts)
    torch.testing.assert_close(importance, sum(part / part.max() for part in parts))
    assert 1 <= float(importance.max()) <= 2


def test_rwalk_averages_scores_with_earlier_ones_and_goes_on_from_their_fisher(stage):
    theta = nn.Parameter(torch.zeros(2))
    memory = {
        "importance": {"w": torch.ones(2)},
        "scores": {"w": torch.tensor([8.0, 0.0])},
        "fisher": {"w": torch.tensor([10.0, 20.0])},
    }
    method = RWalk(strength=0.0, decay=0.9, interval=1, damping=1.0, normalize="none")
    method.begin_stage(stage({"w": theta}, memory=memory, iterations=1))
    walk(method, [torch.tensor([-1.0, -1.0])], [torch.tensor([2.0, 4.0])], theta)
    fisher = torch.tensor([0.9 + 1.0, 0.9 + 2.0])
    score = torch.tensor([2.0, 4.0]) / (fisher * torch.tensor([2.0, 8.0]) + 1)
    after = method.end_stage()
    torch.testing.assert_close(after["fisher"]["w"], fisher)
    torch.testing.assert_close(after["scores"]["w"], (score + torch.tensor([8.0, 0.0])) / 2)


class Linear:
    """``W x`` of three inputs as a one-voxel network with two classes."""

    def __init__(self, images):
        torch.manual_seed(3)
        self.weight = nn.Parameter(torch.randn(2, 3))
        self.images = images

    def features(self, data):
        return [data @ self.weight.T]

    def logits(self, task, features, among=None):
        return features

    def patches(self, keys):
        return Batch(torch.stack([self.images[int(case)] for _, case in keys]), (torch.zeros(len(keys), 1),), keys)


def test_mas_of_a_linear_network_is_the_mean_of_twice_output_times_input(stage):
    torch.manual_seed(4)
    images = torch.randn(8, 3)
    network = Linear(images)
    outputs = images @ network.weight.detach().T
    expected = (2 * outputs[:, :, None] * images[:, None, :]).abs().mean(0)
    memory = {"importance": {"w": torch.full((2, 3), 0.25)}}
    cases = {"a": tuple("01234567")}
    method = MAS()
    method.begin_stage(
        stage({"w": network.weight}, network=network, cases=cases, patches=network.patches, memory=memory)
    )
    found = method.end_stage()["importance"]["w"]
    torch.testing.assert_close(found, 0.25 + expected / expected.mean())
    assert method.evidence()["sensitivity_trace"] == pytest.approx(float(expected.sum()), rel=1e-5)
    batched = (2 * outputs[:, :, None] * images[:, None, :]).mean(0).abs()
    assert float(batched.sum() / expected.sum()) < 0.9  # what a batch's gradient would have missed


def test_mas_averages_the_squared_norm_over_voxels_and_needs_no_label():
    torch.manual_seed(5)
    convolution = nn.Conv3d(1, 2, 1, bias=False)
    data = torch.randn(1, 1, 2, 2, 2)
    found = sensitivity(convolution(data), {"w": convolution.weight})["w"].flatten()
    expected = (2 * convolution.weight.detach().flatten() * (data**2).mean()).abs()
    torch.testing.assert_close(found, expected)
