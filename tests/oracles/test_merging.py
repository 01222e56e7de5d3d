"""Merging rules and EMA against their closed forms (methods.md sections 4.13 and 7)."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from clbench.methods.ema import EMA
from clbench.methods.merge import Merge, added, fisher_merged, interpolated, magmax, ties


def tensors(*values):
    return [torch.tensor(v) for v in values]


def random_weights(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(4, 3, generator=generator), torch.randn(5, generator=generator)]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_wises_end_points_are_exact():
    old, new = random_weights(0), random_weights(1)
    assert same(interpolated(old, new, 0.0), old)
    assert same(interpolated(old, new, 1.0), new)


@given(st.floats(0, 1))
def test_the_outputs_of_a_linear_model_interpolate_as_its_weights_do(alpha):
    generator = torch.Generator().manual_seed(2)
    x, old, new = (torch.randn(7, 7, generator=generator, dtype=torch.float64) for _ in range(3))
    (mixed,) = interpolated([old], [new], alpha)
    torch.testing.assert_close(mixed @ x, (1 - alpha) * (old @ x) + alpha * (new @ x))


def test_fisher_merging_is_the_stationary_point_of_the_summed_quadratics():
    old, new, old_fisher, new_fisher = (random_weights(seed) for seed in range(4))
    old_fisher, new_fisher = ([f.square() for f in fisher] for fisher in (old_fisher, new_fisher))
    merged = [w.requires_grad_() for w in fisher_merged(old, new, old_fisher, new_fisher)]
    loss = sum(
        (f * (w - a) ** 2 + g * (w - b) ** 2).sum()
        for w, a, b, f, g in zip(merged, old, new, old_fisher, new_fisher, strict=True)
    )
    for gradient in torch.autograd.grad(loss, merged):
        assert float(gradient.abs().max()) < 1e-5


def test_fisher_merging_takes_the_only_important_trunk_exactly_and_the_mean_of_two_unimportant_ones():
    (merged,) = fisher_merged(
        *([t] for t in tensors([1.0, 1.0, 1.0], [4.0, 4.1, 4.0], [2.0, 0.0, 0.0], [0.0, 2.0, 0.0]))
    )
    assert merged.tolist() == tensors([1.0, 4.1, 2.5])[0].tolist()


def test_ties_trims_elects_a_sign_by_mass_and_averages_those_that_agree():
    vectors = [tensors([4.0, -3.0, 0.1, 2.0], [0.2]), tensors([2.0, 5.0, 0.1, 0.3], [-6.0])]
    (first, second) = ties(vectors, 0.6)  # of five, the three largest of each: [4, -3, 2] and [2, 5, -6]
    assert first.tolist() == [3.0, 5.0, 0.0, 2.0]
    assert second.tolist() == [-6.0]


def test_ties_keeps_its_share_of_the_whole_vector_and_not_of_each_tensor():
    (small, large) = ties([tensors([0.1, 0.2, 0.3], [1.0, 2.0, 3.0])], 0.5)
    assert small.tolist() == [0, 0, 0]
    assert large.tolist() == [1, 2, 3]
    assert not any(t.any() for t in ties([random_weights(0)], 0.0))


def test_ties_and_magmax_of_one_vector_are_that_vector():
    assert same(ties([random_weights(0)], 1.0), random_weights(0))
    assert same(magmax([random_weights(0)]), random_weights(0))


def test_magmax_takes_the_largest_magnitude_with_its_sign_whatever_the_order():
    vectors = [tensors([1.0, -5.0, 0.0]), tensors([-2.0, 4.0, 0.5]), tensors([0.5, -6.0, -0.4])]
    assert magmax(vectors)[0].tolist() == [-2.0, -6.0, 0.5]
    assert same(magmax(vectors[::-1]), magmax(vectors))
    assert same(magmax([magmax(vectors[:2]), vectors[2]]), magmax(vectors))


def test_the_trunk_is_exactly_the_new_one_where_the_change_is_the_newest_vectors():
    base, new = random_weights(0), random_weights(1)
    change = [n - b for n, b in zip(new, base, strict=True)]
    assert same(added(base, change, new), new)
    (some,) = added(tensors([1.0, 1.0]), tensors([2.0, 0.5]), tensors([3.0, 9.0]))
    assert some.tolist() == [3.0, 1.5]


class Aliased(nn.Module):
    """One convolution under two names, as nnU-Net's encoder is inside its decoder."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Conv3d(1, 2, 1)
        self.decoder = nn.ModuleDict({"encoder": self.encoder, "own": nn.Conv3d(2, 2, 1)})


def test_an_aliased_parameter_is_merged_once(stage):
    """A loop in place over state_dict would go to the middle twice."""
    torch.manual_seed(0)
    network = Aliased()
    trunk = dict(network.named_parameters())
    assert len(trunk) == 4 < len(network.state_dict())
    old = {name: p.detach().clone() for name, p in trunk.items()}
    method = Merge(rule="wise", alpha=0.5)
    method.begin_stage(stage(trunk))
    with torch.no_grad():
        for p in trunk.values():
            p += 1.0
    method.end_stage()
    for name, p in trunk.items():
        torch.testing.assert_close(p.detach(), old[name] + 0.5)
    assert torch.equal(network.state_dict()["decoder.encoder.weight"], network.state_dict()["encoder.weight"])


class Sequence:
    """Stages that move a trunk by given vectors, merged by the real method."""

    def __init__(self, stage, **settings):
        self.stage, self.settings = stage, settings
        self.theta = nn.Parameter(torch.zeros(4))
        self.memory, self.tasks = None, ["1"]

    def train(self, to):
        """One stage, whose training ends at this trunk wherever it began; returns where it began."""
        task = str(len(self.tasks) + 1)
        cases = dict.fromkeys((*self.tasks, task), ("case",))
        context = self.stage({"w": self.theta}, memory=self.memory, task=task, earlier=tuple(self.tasks), cases=cases)
        self.method = Merge(**self.settings)
        self.method.begin_stage(context)
        began = self.theta.detach().clone()
        with torch.no_grad():
            self.theta.copy_(torch.tensor(to))
        self.memory = self.method.end_stage() or None
        self.tasks.append(task)
        return began.tolist()

    @property
    def trunk(self):
        return self.theta.detach().tolist()


def test_the_running_mean_is_the_equal_average_of_what_every_stage_ended_at(stage):
    sequence = Sequence(stage, rule="mean")
    ends = [[2.0, 0.0, 1.0, -1.0], [4.0, 3.0, 1.0, 1.0], [6.0, 1.0, 2.0, 0.0]]
    for end in ends:
        sequence.train(end)
    mean = (torch.zeros(4) + sum(torch.tensor(end) for end in ends)) / 4  # the first stage ended at 0
    assert sequence.trunk == pytest.approx(mean.tolist(), abs=1e-6)


def test_magmax_trains_on_from_the_unmerged_trunk_and_remembers_three_buffers(stage):
    sequence = Sequence(stage, rule="magmax")
    sequence.train([1.0, -5.0, 0.0, 2.0])
    assert sequence.trunk == [1.0, -5.0, 0.0, 2.0]
    assert sequence.method.effect() is None
    assert sequence.train([-2.0, 4.0, 0.5, 0.0]) == [1.0, -5.0, 0.0, 2.0]
    assert sequence.trunk == [-2.0, -5.0, 0.5, 2.0]
    assert sequence.method.effect() > 0
    assert sequence.train([0.1, 0.1, -9.0, 0.1]) == [-2.0, 4.0, 0.5, 0.0]
    assert sequence.trunk == [-2.0, -5.0, -9.0, 2.0]
    assert sum(t.numel() for t in flat(sequence.memory)) == 3 * 4


def test_ties_trains_on_from_the_unmerged_trunk_and_remembers_a_vector_per_stage(stage):
    sequence = Sequence(stage, rule="ties", keep=0.5)
    sequence.train([4.0, -3.0, 0.1, 1.0])
    assert sequence.trunk == [4.0, -3.0, 0.0, 0.0]
    assert sequence.method.effect() > 0
    assert sequence.train([2.0, 5.0, 0.1, 1.0]) == pytest.approx([4.0, -3.0, 0.1, 1.0])
    assert sequence.trunk == [3.0, 5.0, 0.0, 0.0]
    assert sum(t.numel() for t in flat(sequence.memory)) == (2 + 2) * 4


def test_wise_goes_on_from_the_mixture_and_remembers_nothing(stage):
    sequence = Sequence(stage, rule="wise", alpha=0.25)
    sequence.train([4.0, 0.0, 0.0, 8.0])
    assert sequence.train([4.0, 4.0, 0.0, 0.0]) == [1.0, 0.0, 0.0, 2.0]
    assert sequence.trunk == [1.75, 1.0, 0.0, 1.5]
    assert sequence.memory is None


def test_fisher_merging_weighs_all_earlier_tasks_summed_fisher_against_the_new_ones(stage, monkeypatch):
    import clbench.methods.merge as module

    fishers = {"1": [1.0, 0.0, 3.0, 0.0], "2": [1.0, 2.0, 1.0, 0.0], "3": [2.0, 2.0, 0.0, 0.0]}

    def estimate(context, draws, task=None):
        return SimpleNamespace(diagonal={"w": torch.tensor(fishers[task or context.previous_task])})

    monkeypatch.setattr(module, "estimate_fisher", estimate)
    sequence = Sequence(stage, rule="fisher")
    sequence.train([4.0, 4.0, 4.0, 4.0])
    assert sequence.trunk == [2.0, 4.0, 1.0, 2.0]
    assert sequence.train([6.0, 6.0, 6.0, 6.0]) == [2.0, 4.0, 1.0, 2.0]
    assert sequence.trunk == [4.0, 5.0, 1.0, 4.0]
    assert sequence.memory["fisher"]["w"].tolist() == [2.0, 2.0, 4.0, 0.0]


def flat(memory):
    if isinstance(memory, torch.Tensor):
        return [memory]
    parts = memory.values() if isinstance(memory, dict) else memory
    return [tensor for part in parts for tensor in flat(part)]


def averaged(stage, decay, steps):
    theta = nn.Parameter(torch.tensor([1.0, -2.0]))
    method = EMA(decay=decay)
    method.begin_stage(stage({"w": theta}))
    for iteration, step in enumerate(steps):
        with torch.no_grad():
            theta += step
        method.after_step(iteration, 0.1)
    before = theta.detach().clone()
    method.end_stage()
    return theta.detach(), before, method


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
def test_the_moving_average_of_a_constant_is_that_constant(stage, decay):
    theta, _, method = averaged(stage, decay, [0.0] * 20)
    assert theta.tolist() == [1.0, -2.0]
    assert method.effect() == 0


def test_the_moving_average_is_its_geometric_sum_and_without_decay_the_last_trunk(stage):
    theta, _, method = averaged(stage, 0.9, [1.0] * 12)
    expected = [
        start * 0.9**12 + sum(0.1 * 0.9 ** (12 - i) * (start + i) for i in range(1, 13)) for start in (1.0, -2.0)
    ]
    assert theta.tolist() == pytest.approx(expected, rel=1e-5)
    assert method.effect() > 0
    theta, before, method = averaged(stage, 0.0, [0.3, 0.7])
    assert torch.equal(theta, before)
    assert method.effect() == 0
