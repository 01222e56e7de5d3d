"""Replay, replay with distillation and A-GEM against their closed forms (methods.md 4.9-4.11, oracles 15 and 18)."""

from __future__ import annotations

import copy
import random
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls
from scipy.stats import chisquare

from clbench.methods.agem import AGEM, project
from clbench.methods.der import DER
from clbench.methods.finetune import Finetune
from clbench.methods.replay import Replay
from clbench.network.heads import Output
from clbench.training.deck import Deck

LAYOUTS = pytest.mark.parametrize("layout", ["own", "shared", "joined"])
CASES = {"a": tuple("abcd"), "b": tuple("efghij"), "c": tuple("klm")}


def same(found, expected):
    return all(torch.equal(value, found[name]) for name, value in expected.items())


# Replay


def test_a_share_of_zero_leaves_every_batch_as_it_was_drawn(stage):
    method = Replay(share=0.0)
    method.begin_stage(stage({}, task="c", earlier=("a", "b"), cases=CASES))
    deck = Deck({"c": CASES["c"]}, [0])
    for iteration in range(20):
        keys = deck.draw(3)
        assert method.draw(iteration, keys) == keys
    assert method.effect() == 0


def replayed_steps(stage, steps):
    """Batches of three from a stage on task c whose memory holds all of tasks a and b, two slots replayed."""
    method = Replay(cases=100, share=2 / 3)
    method.begin_stage(stage({}, task="c", earlier=("a", "b"), cases=CASES, batch=3))
    deck = Deck({"c": CASES["c"]}, [0])
    return [method.draw(iteration, deck.draw(3)) for iteration in range(steps)]


def test_a_memory_of_everything_with_the_proportional_share_has_the_cumulative_samplers_law(stage):
    """Case by case: what the cumulative protocol's task-balanced deck gives, in as many draws."""
    steps = 1200
    found = Counter(key for batch in replayed_steps(stage, steps) for key in batch)
    expected = Counter(Deck(CASES, [0]).draw(3 * steps))
    assert set(expected.values()) == {steps / 4, steps / 6, steps / 3}
    assert set(found) == set(expected)
    assert chisquare([found[key] for key in expected], list(expected.values())).pvalue > 0.05


def test_every_slot_of_a_batch_is_replayed_equally_often(stage):
    batches = replayed_steps(stage, 1200)
    replayed = [sum(batch[slot][0] != "c" for batch in batches) for slot in range(3)]
    assert sum(replayed) == 2 * 1200
    assert chisquare(replayed).pvalue > 0.05


def memory_of(stage, earlier, seed, memory=None):
    method = Replay(cases=2)
    rng = np.random.default_rng(seed)
    method.begin_stage(stage({}, task="c", earlier=earlier, cases=CASES, memory=memory, rng=rng))
    return method


def test_a_case_once_kept_stays_kept_and_each_new_task_adds_as_many(stage):
    first, anew = (memory_of(stage, ("b",), seed) for seed in (0, 1))
    later = memory_of(stage, ("b", "a"), 1, first.end_stage())
    assert set(anew.kept_cases()) != set(first.kept_cases()) < set(later.kept_cases())
    assert Counter(task for task, _ in later.kept_cases()) == {"a": 2, "b": 2}
    assert len(set(later.kept_cases())) == 4


# Replay with distillation


def mixed_batch(made):
    """Two replayed patches between two new ones."""
    return made.load([("c", "c0"), ("b", "b1"), ("c", "c2"), ("a", "a3")])


@LAYOUTS
def test_the_distillation_and_its_gradient_are_zero_while_the_student_is_the_teacher(trial, layout):
    made, method = trial(layout, torch.float64), DER(alpha=1.0)
    method.begin_stage(made.context)
    batch = mixed_batch(made)
    added = method.loss(batch, made.network(batch.data, batch.tasks), torch.zeros((), dtype=torch.float64))
    assert abs(float(added.detach())) < 1e-14
    for gradient in torch.autograd.grad(added, list(made.context.trunk.values()), allow_unused=True):
        assert gradient is None or float(gradient.abs().max()) < 1e-7  # of the root of what float32 leaves


@LAYOUTS
def test_only_replayed_patches_are_distilled_each_by_its_own_head_with_the_closed_forms_gradient(trial, layout):
    """By R replayed patches' features, ``alpha mean (z - z')^2`` has gradient ``2 alpha / (R K V) W^T (z - z')``."""
    made, alpha = trial(layout), 0.3
    method = DER(alpha=alpha)
    method.begin_stage(made.context)
    before = copy.deepcopy(made.network)
    with torch.no_grad():
        for parameter in made.network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    batch = mixed_batch(made)
    features = made.network.features(batch.data)[0].detach().requires_grad_()
    added = method.loss(batch, Output([features], {}, {}), torch.zeros(()))
    (gradient,) = torch.autograd.grad(added, features)
    taught = before.features(batch.data)[0].detach()
    value, expected = 0.0, torch.zeros_like(features)
    for row, head in ((1, "b"), (3, "a")):
        old, new = (weights_of_past(network, layout, head) for network in (before, made.network))
        gap = applied(new, features[row].detach()) - applied(old, taught[row])
        value += alpha * float(gap.square().mean()) / 2
        expected[row] = 2 * alpha / (2 * gap.numel()) * torch.einsum("kf,k...->f...", new[0], gap)
    assert float(added) == pytest.approx(value, rel=1e-5)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-9)


def weights_of_past(network, layout, head):
    """Weight ``(K, F)`` and bias of the finest layer by which a task was predicted before task c came."""
    names = {"own": [head], "shared": ["a"], "joined": ["a", "b"]}[layout]
    layers = [network.heads[name][1] for name in names]
    weight = torch.cat([layer.weight.detach()[:, :, 0, 0, 0] for layer in layers])
    return weight, torch.cat([layer.bias.detach() for layer in layers])


def applied(layer, feature):
    weight, bias = layer
    return torch.einsum("kf,f...->k...", weight, feature) + bias[:, None, None, None]


def test_the_teacher_stays_what_it_was_however_the_student_moves(trial):
    made, method = trial(), DER()
    method.begin_stage(made.context)
    before = {name: value.clone() for name, value in made.network.state_dict().items()}
    moved = made.trained(DER())
    assert same(method._teacher.network.state_dict(), before)
    assert not same(moved, before)


@LAYOUTS
def test_without_distillation_it_is_replay_to_the_bit_and_with_it_it_is_not(trial, layout):
    replay = trial(layout).trained(Replay())
    assert same(trial(layout).trained(DER(alpha=0.0)), replay)
    assert not same(trial(layout).trained(DER(alpha=1.0)), replay)


@LAYOUTS
def test_without_replayed_patches_it_is_finetuning_to_the_bit(trial, layout):
    method = DER(share=0.0, alpha=1.0)
    assert same(trial(layout).trained(method), trial(layout).trained(Finetune()))
    assert method.effect() == 0


# A-GEM


def two_gradients(seed):
    generator = torch.Generator().manual_seed(seed)
    return [[torch.randn(size, generator=generator) for size in ((4, 3), (5,))] for _ in range(2)]


def flat(tensors):
    return torch.cat([t.flatten() for t in tensors]).double()


@given(st.integers(0, 10_000))
def test_the_projected_gradient_is_orthogonal_to_the_memorys_if_it_pointed_against_it_and_else_untouched(seed):
    gradient, reference = two_gradients(seed)
    g, r = flat(gradient), flat(reference)
    cosine = project(gradient, reference)
    assert cosine == pytest.approx(float(g @ r / g.norm() / r.norm()), abs=1e-6)
    if g @ r < 0:
        assert abs(float(flat(gradient) @ r)) < 1e-6 * float(g.norm() * r.norm())
        assert float((flat(gradient) - g).norm() / g.norm()) == pytest.approx(-cosine, abs=1e-6)
    else:
        assert torch.equal(flat(gradient), g)
    assert float(flat(gradient).norm()) <= float(g.norm()) * (1 + 1e-6)


@given(st.integers(0, 10_000))
def test_it_is_gems_quadratic_program_with_one_memory_and_no_margin(seed):
    """The dual is ``min |g + v r|^2`` over ``v >= 0``; the primal solution is ``g + v r``."""
    gradient, reference = two_gradients(seed)
    g, r = flat(gradient), flat(reference)
    (v,), _ = nnls(r.numpy()[:, None], -g.numpy())
    project(gradient, reference)
    torch.testing.assert_close(flat(gradient), g + v * r, rtol=0, atol=1e-5)


def test_nothing_to_remember_by_and_an_overflow_leave_the_gradient_alone():
    for gradient, reference in (
        ([torch.tensor([1.0, -2.0])], [torch.zeros(2)]),
        ([torch.tensor([torch.inf, -2.0])], [torch.tensor([-1.0, 1.0])]),
        ([torch.tensor([1.0, -2.0])], [torch.tensor([-torch.inf, 1.0])]),
    ):
        before = gradient[0].clone()
        project(gradient, reference)
        assert torch.equal(gradient[0], before)


class Against:
    """A stage of A-GEM whose memory's batch is known, and gradients that agree with its (1) or oppose it (-1)."""

    def __init__(self, trial, sign, layout="own"):
        self.asked, self.batches, self.drawn = [], [], []
        self.made = trial(layout, batches=self.load)
        self.method = AGEM(cases=2)
        self.method.begin_stage(self.made.context)
        self.parameters = [p for p in self.made.network.parameters() if p.requires_grad]
        torch.manual_seed(3)
        for parameter, r in zip(self.parameters, self.reference(self.load([])), strict=True):
            noise = torch.randn(parameter.shape)
            parameter.grad = noise if r is None else sign * r + 0.1 * r.norm() / r.numel() ** 0.5 * noise
        self.before = [p.grad.clone() for p in self.parameters]

    def load(self, keys):
        self.asked += keys
        self.drawn += [random.random(), float(np.random.rand()), float(torch.rand(()))]
        self.batches.append(self.made.load([("a", "a0"), ("b", "b1")]))
        return self.batches[-1]

    def reference(self, batch):
        network = copy.deepcopy(self.made.network)
        network.zero_grad()
        self.made.context.task_loss(batch, network(batch.data, batch.tasks)).backward()
        return [p.grad for p in network.parameters() if p.requires_grad]


def test_a_step_against_the_memory_is_projected_and_the_new_head_is_left_alone(trial):
    stage = Against(trial, -1)
    stage.method.after_backward(0, lr=0.1)
    reference = stage.reference(stage.batches[-1])
    shared = [i for i, r in enumerate(reference) if r is not None]
    g, r = flat([stage.before[i] for i in shared]), flat([reference[i] for i in shared])
    after = flat([stage.parameters[i].grad for i in shared])
    torch.testing.assert_close(after, g - (g @ r) / (r @ r) * r, rtol=0, atol=1e-5 * float(g.norm()))
    new = [i for i, r in enumerate(reference) if r is None]
    assert len(new) == len(list(stage.made.network.heads["c"].parameters()))
    assert all(torch.equal(stage.parameters[i].grad, stage.before[i]) for i in new)
    assert stage.method.effect() == pytest.approx(-float(g @ r / g.norm() / r.norm()), abs=1e-5)
    assert stage.method.evidence()["violated_share"] == 1


def test_a_step_with_the_memory_is_left_alone_and_claims_no_effect(trial):
    stage = Against(trial, 1)
    stage.method.after_backward(0, lr=0.1)
    assert all(torch.equal(p.grad, g) for p, g in zip(stage.parameters, stage.before, strict=True))
    assert stage.method.effect() == 0
    assert stage.method.evidence()["violated_share"] == 0
    assert stage.method.evidence()["mean_cosine"] > 0.9


def test_every_step_asks_for_a_batch_of_kept_cases(trial):
    stage = Against(trial, 1)
    stage.asked.clear()
    for iteration in range(30):
        stage.method.after_backward(iteration, lr=0.1)
    assert len(stage.asked) == 30 * stage.made.context.batch
    assert set(stage.asked) == set(stage.method.kept_cases())
    assert Counter(task for task, _ in stage.method.kept_cases()) == {"a": 2, "b": 2}


def test_in_one_softmax_the_new_classes_channels_are_projected_too(trial):
    stage = Against(trial, -1, "joined")
    stage.method.after_backward(0, lr=0.1)
    assert not any(torch.equal(p.grad, g) for p, g in zip(stage.parameters, stage.before, strict=True))


def test_a_step_that_mixed_precision_skips_is_not_counted(trial):
    stage = Against(trial, -1)
    stage.parameters[0].grad.fill_(torch.inf)
    stage.method.after_backward(0, lr=0.1)
    assert stage.method.evidence() == {"cases_kept": 4, "violated_share": 0, "mean_cosine": 0}
    assert stage.method.effect() == 0


def global_state():
    return random.getstate(), [str(part) for part in np.random.get_state()], torch.get_rng_state().tolist()


def test_augmenting_the_memory_leaves_the_datas_random_streams_alone_and_repeats_itself_never(trial):
    stage = Against(trial, -1)
    stage.drawn.clear()
    before = global_state()
    for iteration in range(3):
        stage.method.after_backward(iteration, lr=0.1)
    assert global_state() == before
    assert len(set(stage.drawn)) == 9


@pytest.mark.parametrize("method", [Replay, DER, AGEM])
def test_a_resumed_stage_ends_in_the_same_weights_and_evidence(trial, method):
    whole, killed, resumed = (method() for _ in range(3))
    expected = trial().trained(whole)
    first = trial().begin(killed)
    first.train_epoch()
    state = copy.deepcopy(first.state())
    made = trial()
    second = made.begin(resumed)
    second.load_state(state)
    second.train_epoch()
    assert same(made.network.state_dict(), expected)
    assert resumed.evidence() == whole.evidence()
    assert resumed.effect() == whole.effect()


@LAYOUTS
def test_without_a_memory_it_is_finetuning_to_the_bit(trial, layout):
    method = AGEM(cases=0)
    assert same(trial(layout).trained(method), trial(layout).trained(Finetune()))
    assert method.effect() == 0
