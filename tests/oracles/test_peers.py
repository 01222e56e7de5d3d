"""EWC as public code computes it: the defects are those that its sources have, and no others."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from clbench.methods.peer_ewc import PeerEWC
from clbench.network.batch import Batch
from clbench.network.heads import MultiHeadNetwork
from clbench.network.losses import stage_loss

TASKS = ("a", "b", "c", "d")
FORKS = ["fork-readme", "fork-each", "fork-single"]
LIFELONG = ["lifelong", "lifelong-amp"]
IMAGES = 4


class Net(nn.Module):
    """A convolution, a norm layer and nnU-Net's place for heads, at one scale."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(1, 3, 3, padding=1), nn.InstanceNorm3d(3, affine=True), nn.LeakyReLU())
        self.decoder = nn.Module()
        self.decoder.seg_layers = nn.ModuleList([nn.Conv3d(3, 2, 1)])

    def forward(self, data):
        return [layer(self.body(data)) for layer in self.decoder.seg_layers]


def loss_of_one_scale(logits, target):
    """Cross-entropy and something else, as nnU-Net's loss is."""
    return F.cross_entropy(logits[0], target[0][:, 0]) + logits[0].square().mean()


class Sequence:
    """A network that learns task after task, each stage ending in a trunk drawn at random."""

    def __init__(self, stage, layout="own", **settings):
        torch.manual_seed(0)
        self.stage, self.settings, self.memory = stage, settings, None
        self.network = MultiHeadNetwork(Net(), layout)
        self.batches, self.number, self.trunks = [], 0, []
        self.add_head()

    def add_head(self):
        head = {"0.weight": torch.randn(2, 3, 1, 1, 1), "0.bias": torch.randn(2)}
        if self.network.layout == "joined" and self.number:
            head = {name: value[1:] for name, value in head.items()}
        if self.network.layout != "shared" or not self.number:
            self.network.add_head(TASKS[self.number], head, frozen=False)

    def images(self, keys):
        data = torch.stack([self.image(*key) for key in keys])
        target = (data > 0.3).long() * (self.labels(keys[0][0]))
        return Batch(data, (target,), tuple(keys))

    def labels(self, task):
        return TASKS.index(task) + 1 if self.network.layout == "joined" else 1

    def image(self, task, case):
        seed = 100 * TASKS.index(task) + int(case)
        return torch.randn((1, 4, 4, 3), generator=torch.Generator().manual_seed(seed))

    def augmented(self, keys):
        self.batches.append(self.images(keys))
        return self.batches[-1]

    def task_loss(self, batch, output):
        return stage_loss(loss_of_one_scale, self.network, output, batch, False)

    def next(self):
        """Learn the current task and begin the stage of the next; the method, already told of it."""
        with torch.no_grad():
            for p in self.network.trunk.parameters():
                p.copy_(torch.randn_like(p))
        self.trunks.append({n: p.detach().clone() for n, p in self.trunk(TASKS[: self.number + 1]).items()})
        self.number += 1
        self.add_head()
        earlier = TASKS[: self.number]
        context = self.stage(
            self.trunk(earlier), network=self.network, task=TASKS[self.number], earlier=earlier, memory=self.memory,
            cases={task: tuple(map(str, range(IMAGES))) for task in earlier}, patches=self.images,
            batches=self.augmented, task_loss=self.task_loss, iterations=1,
        )  # fmt: skip
        method = PeerEWC(**self.settings)
        method.begin_stage(context)
        self.memory = method.end_stage()
        return method

    def trunk(self, earlier):
        return self.network.shared_parameters(earlier)

    def after(self, tasks):
        for _ in range(tasks):
            method = self.next()
        return method

    def pull(self, method):
        """What a method adds to a gradient of 0, at weights that moved on."""
        with torch.no_grad():
            for p in self.network.trunk.parameters():
                p.add_(torch.randn_like(p))
        for p in self.network.parameters():
            p.grad = torch.zeros_like(p)
        method.after_backward(0, lr=0.1)
        return {name: p.grad for name, p in self.trunk(TASKS[: self.number]).items()}

    def gradients(self, loss):
        parameters = self.trunk(TASKS[: self.number])
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True, materialize_grads=True)
        return dict(zip(parameters, found, strict=True))

    def mean_loss_fisher(self, task, trunk):
        """Image by image, the squared gradient of torch's mean cross-entropy, at a trunk."""
        with torch.no_grad():
            for name, p in self.network.trunk_parameters().items():
                p.copy_(trunk[name])
        total = {name: torch.zeros_like(p) for name, p in trunk.items()}
        for case in range(IMAGES):
            batch = self.images([(task, str(case))])
            logits = self.network.logits(task, self.network.features(batch.data))[0]
            for name, g in self.gradients(F.cross_entropy(logits, batch.target[0][:, 0])).items():
                total[name] += g**2 / IMAGES
        return total


def penalty_gradient(sequence, strength, terms):
    """Autograd's of ``strength / 2 * sum over terms (F, anchor) of sum F (theta - anchor)^2``."""
    theta = sequence.network.trunk_parameters()
    each = [(f[n] * (theta[n] - anchor[n]) ** 2).sum() for f, anchor in terms for n in theta]
    return sequence.gradients(strength / 2 * sum(each))


def restored(sequence, compute):
    """Compute something that moves the trunk, and put the trunk back."""
    before = [p.detach().clone() for p in sequence.network.trunk.parameters()]
    value = compute()
    with torch.no_grad():
        for p, old in zip(sequence.network.trunk.parameters(), before, strict=True):
            p.copy_(old)
    return value


def fishers(sequence):
    return restored(
        sequence, lambda: [sequence.mean_loss_fisher(t, at) for t, at in zip(TASKS, sequence.trunks, strict=False)]
    )


@pytest.mark.parametrize("tasks", [1, 2, 3])
def test_fork_each_is_the_sum_of_a_penalty_per_task_with_the_squared_gradient_of_the_voxels_mean_loss(stage, tasks):
    sequence = Sequence(stage, code="fork-each", strength=1e7)
    method = sequence.after(tasks)
    found = sequence.pull(method)
    expected = penalty_gradient(sequence, 1e7, list(zip(fishers(sequence), sequence.trunks, strict=True)))
    for name, g in expected.items():
        torch.testing.assert_close(found[name], g, rtol=1e-3, atol=1e-5 * float(g.abs().max() + 1))


@pytest.mark.parametrize("tasks", [1, 2, 3])
def test_fork_single_is_the_mean_of_the_tasks_fishers_around_the_last_trunk(stage, tasks):
    sequence = Sequence(stage, code="fork-single", strength=1e7)
    method = sequence.after(tasks)
    found = sequence.pull(method)
    each = fishers(sequence)
    mean = {name: sum(f[name] for f in each) / tasks for name in each[0]}
    for name, g in penalty_gradient(sequence, 1e7, [(mean, sequence.trunks[-1])]).items():
        torch.testing.assert_close(found[name], g, rtol=1e-3, atol=1e-5 * float(g.abs().max() + 1))


def test_the_forks_documented_command_has_no_penalty_no_gradient_and_no_effect_whatever_its_strength(stage):
    sequence = Sequence(stage, code="fork-readme", strength=1e7)
    method = sequence.after(2)
    assert not any(g.any() for g in sequence.pull(method).values())
    assert method.effect() == 0
    numbers = method.evidence()
    assert numbers["penalty_last"] == numbers["tensors_protected"] == numbers["fisher_trace"] == 0
    assert numbers["importance_zero_share"] == 1
    assert (numbers["tasks_protected"], numbers["tasks_expected"]) == (0, 2)


def last_batch(sequence, scale=1.0):
    """The squared gradient of the whole loss of the batch that was last drawn, at the trunk of its stage."""
    batch, earlier = sequence.batches[-1], TASKS[: sequence.number]
    logits = sequence.network.logits(batch.tasks[0], sequence.network.features(batch.data), earlier)
    return {n: (scale * g) ** 2 for n, g in sequence.gradients(loss_of_one_scale(logits, batch.target)).items()}


@pytest.mark.parametrize("layout", ["own", "shared", "joined"])
@pytest.mark.parametrize(("code", "scale"), [("lifelong", 1.0), ("lifelong-amp", 65536.0)])
def test_lifelongs_fisher_is_the_squared_gradient_of_one_batchs_whole_loss(stage, layout, code, scale):
    sequence = Sequence(stage, layout, code=code, strength=0.4)
    method = sequence.after(1)
    assert len(sequence.batches) == 1
    assert len(sequence.batches[0].keys) == 2
    expected = last_batch(sequence, scale)
    assert method._names == list(expected)
    for name, f in zip(method._names, method._importance, strict=True):
        torch.testing.assert_close(f, expected[name], rtol=1e-4, atol=0)


def test_lifelong_goes_on_penalising_the_first_task_alone(stage):
    sequence = Sequence(stage, code="lifelong", strength=0.4)
    sequence.next()
    first = last_batch(sequence)
    for tasks in (2, 3):
        method = sequence.next()
        found = sequence.pull(method)
        for name, g in penalty_gradient(sequence, 0.4, [(first, sequence.trunks[0])]).items():
            torch.testing.assert_close(found[name], g, rtol=1e-4, atol=1e-6)
        numbers = method.evidence()
        assert (numbers["tasks_protected"], numbers["tasks_expected"]) == (1, tasks)
    assert method.effect() > 0


@pytest.mark.parametrize("layout", ["shared", "joined"])
def test_heads_that_tasks_share_are_left_out_by_the_fork_and_protected_by_lifelong(stage, layout):
    for code in (*FORKS[1:], *LIFELONG):
        method = Sequence(stage, layout, code=code, strength=0.4).after(2)
        numbers, expected = method.evidence(), 4 if code in FORKS else 6
        assert numbers["tensors_protected"] == expected
        assert numbers["tensors_expected"] == (8 if layout == "joined" else 6)


@pytest.mark.parametrize("code", [*FORKS, *LIFELONG])
def test_at_strength_zero_nothing_is_added_and_the_evidence_says_so(stage, code):
    sequence = Sequence(stage, code=code, strength=0.0)
    method = sequence.after(2)
    assert not any(g.any() for g in sequence.pull(method).values())
    assert method.effect() == 0


@pytest.mark.parametrize("code", [*FORKS, *LIFELONG])
def test_what_is_remembered_is_as_large_as_declared_and_does_not_grow(stage, code):
    sequence = Sequence(stage, code=code, strength=0.4)
    for tasks in (1, 2, 3):
        method = sequence.next()
        tensors = [t for part in sequence.memory.values() if isinstance(part, dict) for t in part.values()]
        weights = sum(p.numel() for p in sequence.network.trunk.parameters())
        assert sum(t.numel() for t in tensors) == method.buffers(tasks) * weights


@pytest.mark.parametrize(("code", "counted"), [("fork-readme", 0), ("fork-each", 3), ("fork-single", 3)])
def test_the_forks_other_commands_count_every_task(stage, code, counted):
    numbers = Sequence(stage, code=code, strength=1.0).after(3).evidence()
    assert (numbers["tasks_protected"], numbers["tasks_expected"]) == (counted, 3)


def test_a_runaway_penalty_does_not_stop_public_code_and_shows_in_the_evidence(stage):
    sequence = Sequence(stage, code="fork-each", strength=1e9)
    method = sequence.after(1)
    sequence.pull(method)
    numbers = method.evidence()
    assert numbers["stability"] > 1
    assert numbers["penalty_last"] > 10
    assert not method.diverging(0.5)
