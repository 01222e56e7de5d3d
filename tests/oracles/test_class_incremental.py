"""Class-incremental learning against closed forms: marginal loss, MiB, PLOP, pseudo-labels, LwF's first step."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from clbench.methods import pod
from clbench.methods.confidence import labels_and_entropy, median_entropies
from clbench.methods.growing import balance_new_classes, with_background_labelled
from clbench.methods.lwf import LwF
from clbench.methods.mib import MiB, forgiven, unbiased_distillation
from clbench.methods.plop import PLOP
from clbench.methods.pod import local_pod
from clbench.methods.pseudo_labels import PseudoLabels
from clbench.network.batch import Batch
from clbench.network.losses import routed_loss, stage_loss, with_merged_background

OLD, NEW = 3, 2  # background and the two classes of task a; the two of task b


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def labelled(tasks, classes, seed=0, size=8):
    """A batch of noise with labels drawn from these classes, at two scales."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.tensor(classes)[torch.randint(len(classes), (len(tasks), 1, size, size, size), generator=generator)]
    keys = tuple((task, str(number)) for number, task in enumerate(tasks))
    return Batch(noise(len(tasks), 1, size, size, size, seed=seed), (drawn, drawn[..., ::2, ::2, ::2]), keys)


@pytest.fixture
def begun(joined, stage):
    """Begins stage b of a network on a method; returns the method, the network and a batch of b's."""

    def begin(method, **given):
        network = joined(a=OLD - 1, b=NEW)
        batch = labelled(["b", "b"], [0, 0, 3, 4])
        cases = {"a": ("0",), "b": ("0", "1", "2")}
        context = stage(network.shared_parameters(("a",)), network=network, cases=cases, **given)
        method.begin_stage(context)
        return method, network, batch

    return begin


def gradients(network, term):
    return torch.autograd.grad(term, [p for p in network.parameters() if p.requires_grad], allow_unused=True)


def steepest(network, term):
    return max(float(g.abs().max()) for g in gradients(network, term) if g is not None)


def moved(network):
    """The network after something was learnt."""
    with torch.no_grad():
        for number, p in enumerate(network.parameters()):
            p += 0.1 * noise(*p.shape, seed=number)


# the marginal loss, MiB's unbiased cross-entropy


def test_merged_probabilities_sum_to_one_and_the_kept_classes_keep_theirs():
    logits = noise(2, 6, 3, 3, 3)
    p = logits.softmax(1)
    for kept in (range(1, 3), range(3, 4), range(2, 6), range(4, 6)):
        merged = with_merged_background(logits, kept).softmax(1)
        rest = [c for c in range(6) if c not in kept]
        torch.testing.assert_close(merged.sum(1), torch.ones(2, 3, 3, 3))
        torch.testing.assert_close(merged[:, 1:], p[:, kept.start : kept.stop])
        torch.testing.assert_close(merged[:, 0], p[:, rest].sum(1))


@pytest.mark.parametrize("dice", [0.0, 1.0])
def test_the_loss_of_a_task_that_has_all_classes_is_nnunets_own_to_the_bit(joined, nnunet_loss, dice):
    network, batch, loss = joined(a=3), labelled(["a", "a"], [0, 1, 2, 3]), nnunet_loss(dice=dice)
    output = network(batch.data, batch.tasks)
    merged = stage_loss(loss, network, output, batch, merge_background=True)
    assert torch.equal(merged, loss(output.logits["a"], list(batch.target)))


def test_the_marginal_cross_entropy_is_minus_the_log_of_the_merged_probability(joined, nnunet_loss):
    network, batch, loss = joined(a=2, b=2), labelled(["b", "b"], [0, 3, 4]), nnunet_loss(dice=0.0)
    output = network(batch.data, batch.tasks)
    expected = 0.0
    for weight, logits, target in zip((2 / 3, 1 / 3), output.logits["a"], batch.target, strict=True):
        p = logits.softmax(1)
        taken = [p[:, :3].sum(1), p[:, 3], p[:, 4]]
        chosen = sum(one * (target[:, 0] == label) for one, label in zip(taken, (0, 3, 4), strict=True))
        expected += weight * -chosen.log().mean()
    found = stage_loss(loss, network, output, batch, merge_background=True)
    torch.testing.assert_close(found, expected)
    assert float(found) < float(stage_loss(loss, network, output, batch, merge_background=False))


def test_in_a_mixed_batch_each_patch_counts_by_its_own_tasks_classes_alone(joined, nnunet_loss):
    network, loss = joined(a=2, b=2), nnunet_loss()
    mixed = labelled(["a", "b", "a"], [0, 1, 2, 3, 4])
    output = network(mixed.data, mixed.tasks)
    found = stage_loss(loss, network, output, mixed, merge_background=True)
    alone = []
    for row, own in enumerate([(1, 2), (3, 4), (1, 2)]):
        logits = [one[row : row + 1] for one in output.logits["a"]]
        kept = [with_merged_background(one, range(own[0], own[1] + 1)) for one in logits]
        seen = [t[row : row + 1] for t in mixed.target]
        alone.append(loss(kept, [(t == own[0]) * 1 + (t == own[1]) * 2 for t in seen]))
    torch.testing.assert_close(found, torch.stack(alone).mean())


def test_what_the_unbiased_loss_forgives_is_its_distance_from_the_plain_cross_entropy(joined, nnunet_loss):
    network, batch, loss = joined(a=2, b=2), labelled(["b", "b"], [0, 3, 4]), nnunet_loss(dice=0.0)
    loss.weight_factors = [1.0, 0.0]
    output = network(batch.data, batch.tasks)
    plain, merged = (stage_loss(loss, network, output, batch, merge) for merge in (False, True))
    less = forgiven(output.logits["a"][0], batch.target[0], network.channels("b"))
    torch.testing.assert_close(less, plain - merged)


def test_voxels_left_out_of_the_loss_have_no_gradient_and_all_others_have_one(joined, nnunet_loss):
    network, batch = joined(a=2, b=2), labelled(["b", "b"], [0, 1, 3, 5])
    loss = nnunet_loss(ignored=network.ignored)
    output = network(batch.data, batch.tasks)
    for logits in output.logits["a"]:
        logits.retain_grad()
    routed_loss(loss, output, batch.target).backward()
    for logits, target in zip(output.logits["a"], batch.target, strict=True):
        assert torch.equal(logits.grad.abs().sum(1) > 0, target[:, 0] != 5)


# MiB's distillation and new head


def test_unbiased_distillation_without_new_classes_is_the_cross_entropy_over_the_classes():
    student, teacher = noise(2, 4, 3, 3, 3), noise(2, 4, 3, 3, 3, seed=1)
    expected = F.cross_entropy(student, teacher.softmax(1)) / 4
    torch.testing.assert_close(unbiased_distillation(student, teacher), expected)


def test_unbiased_distillation_takes_the_new_classes_for_background():
    student, teacher = noise(2, OLD + NEW, 3, 3, 3), noise(2, OLD, 3, 3, 3, seed=1)
    p, q = student.softmax(1), teacher.softmax(1)
    terms = q[:, 0] * (p[:, 0] + p[:, 3] + p[:, 4]).log() + q[:, 1] * p[:, 1].log() + q[:, 2] * p[:, 2].log()
    torch.testing.assert_close(unbiased_distillation(student, teacher), -terms.mean() / 3)


def test_the_gradient_of_unbiased_distillation_is_the_probabilities_difference_shared_out_in_the_background():
    student, teacher = noise(2, OLD + NEW, 3, 3, 3).requires_grad_(), noise(2, OLD, 3, 3, 3, seed=1)
    (found,) = torch.autograd.grad(unbiased_distillation(student, teacher), student)
    p, q = student.detach().softmax(1), teacher.softmax(1)
    merged = [0, 3, 4]
    mass = p[:, merged].sum(1, keepdim=True)
    expected = torch.empty_like(p)
    expected[:, 1:3] = p[:, 1:3] - q[:, 1:3]
    expected[:, merged] = p[:, merged] / mass * (mass - q[:, :1])
    torch.testing.assert_close(found, expected / (3 * 2 * 27), rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("new", [1, 2, 3])
def test_balanced_classes_share_the_backgrounds_probability_and_leave_the_old_ones_alone(joined, new):
    network, data = joined(a=2, b=new), noise(2, 1, 8, 8, 8)
    features = network.features(data)
    before = [logits.softmax(1) for logits in network.logits("a", features, among=("a",))]
    assert balance_new_classes(network, "b") == pytest.approx(math.log(new + 1))
    for old, logits in zip(before, network.logits("b", features), strict=True):
        after = logits.softmax(1)
        torch.testing.assert_close(after[:, 1:3], old[:, 1:3])
        for channel in (0, *range(3, 3 + new)):
            torch.testing.assert_close(after[:, channel], old[:, 0] / (new + 1))


def test_the_third_tasks_classes_share_with_the_first_heads_background_and_leave_the_seconds_alone(joined):
    network, data = joined(a=2, b=1, c=2), noise(2, 1, 8, 8, 8)
    second = network.head_weights("b")
    features = network.features(data)
    before = network.logits("a", features, among=("a", "b"))[0].softmax(1)
    balance_new_classes(network, "c")
    after = network.logits("a", features)[0].softmax(1)
    torch.testing.assert_close(after[:, 1:4], before[:, 1:4])
    torch.testing.assert_close(after[:, [0, 4, 5]].sum(1), before[:, 0])
    assert all(torch.equal(value, second[name]) for name, value in network.head_weights("b").items())


@pytest.mark.parametrize("method", [MiB(), PLOP(pseudo_labels=False)])
def test_the_teacher_is_the_network_as_it_was_before_the_new_classes_were_balanced(joined, stage, method):
    network, data = joined(a=2, b=2), noise(1, 1, 8, 8, 8)
    before = network.past_logits(network.features(data), ("a",))[0].detach()
    method.begin_stage(stage(network.shared_parameters(("a",)), network=network))
    assert method.evidence()["background_logit_shift"] == pytest.approx(math.log(3))
    moved(network)
    torch.testing.assert_close(method._teacher.logits(data), before)


def test_mibs_distillation_pulls_nowhere_at_a_stages_first_step_and_does_once_something_was_learnt(begun):
    method, network, batch = begun(MiB(strength=1.0))
    term = method.distillation(batch, network(batch.data, batch.tasks))
    q = method._teacher.logits(batch.data).softmax(1)
    torch.testing.assert_close(term, -(q * q.log()).sum(1).mean() / OLD)
    assert steepest(network, term) < 1e-6
    moved(network)
    assert steepest(network, method.distillation(batch, network(batch.data, batch.tasks))) > 1e-3


def test_mib_adds_the_distillation_by_its_strength(begun):
    method, network, batch = begun(MiB(strength=7.0))
    moved(network)
    output = network(batch.data, batch.tasks)
    expected = unbiased_distillation(output.logits["a"][0], method._teacher.logits(batch.data))
    torch.testing.assert_close(method.loss(batch, output, torch.tensor(2.0)), 2 + 7 * expected)


def test_mib_asks_for_the_marginal_loss_only_where_it_is_unbiased():
    assert MiB().merges_background
    assert not MiB(unbiased=False).merges_background


# LwF


def test_lwf_is_zero_with_zero_gradient_at_a_stages_first_step_and_pulls_once_something_was_learnt(begun):
    method, network, batch = begun(LwF(strength=1.0))
    term = method.distillation(batch, network(batch.data, batch.tasks))
    assert float(term) == 0
    assert steepest(network, term) < 1e-6
    moved(network)
    later = method.distillation(batch, network(batch.data, batch.tasks))
    assert float(later) > 1e-3
    assert steepest(network, later) > 1e-3


def test_lwf_in_a_growing_softmax_leaves_the_new_classes_free(begun):
    method, network, batch = begun(LwF(strength=1.0))
    with torch.no_grad():
        for p in network.heads["b"].parameters():
            p += 1.0
    assert float(method.distillation(batch, network(batch.data, batch.tasks))) == 0


# PLOP: local POD


def windows_one_by_one(student, teacher):
    """Local POD as it is written in the paper: every window of every scale, pooled along each axis by itself."""
    pooled = []
    for scale in (1, 2, 4):
        axes = [np.array_split(np.arange(size), min(scale, size)) for size in student.shape[2:]]
        cuts = [[part.tolist() for part in parts] for parts in axes]
        for xs, ys, zs in itertools.product(*cuts):
            parts = [f.square()[:, :, xs][:, :, :, ys][..., zs] for f in (student, teacher)]
            pooled += [(parts[0].mean(axis) - parts[1].mean(axis)).flatten(1) for axis in (2, 3, 4)]
    return torch.cat(pooled, 1).square().sum(1).sqrt().mean()


@pytest.mark.parametrize("shape", [(2, 3, 8, 8, 8), (1, 2, 5, 7, 3), (3, 1, 1, 2, 9)])
def test_local_pod_equals_pooling_every_window_one_by_one(shape):
    student, teacher = noise(*shape), noise(*shape, seed=1)
    torch.testing.assert_close(local_pod(student, teacher), windows_one_by_one(student, teacher))


def test_local_pod_of_one_voxel_in_eight_is_known():
    """Along an axis of two: the mean of both, 1/2, and each by itself, at scales 2 and 4. 3 (1/4 + 1 + 1) = 27/4."""
    student = torch.zeros(1, 1, 2, 2, 2)
    student[..., 1, 0, 1] = -1.0
    assert float(local_pod(student, torch.zeros_like(student))) == pytest.approx(math.sqrt(27 / 4))


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("place", [(0, 0, 0), (6, 0, 0), (0, 6, 0), (0, 0, 6), (6, 6, 6), (3, 5, 4)])
def test_every_voxel_counts_at_every_scale(monkeypatch, scale, place):
    monkeypatch.setattr(pod, "SCALES", (scale,))
    student = torch.zeros(1, 1, 7, 7, 7)
    student[(0, 0, *place)] = 1.0
    assert float(local_pod(student, torch.zeros_like(student))) > 0


@settings(max_examples=25)
@given(st.integers(0, 2**16))
def test_local_pod_is_zero_for_equal_features_and_for_their_negatives(seed):
    feature = noise(2, 2, 5, 4, 6, seed=seed)
    assert float(local_pod(feature, feature.clone())) == 0
    assert float(local_pod(-feature, feature)) == 0


def test_local_pod_is_a_mean_over_patches():
    student, teacher = noise(2, 3, 4, 4, 4), noise(2, 3, 4, 4, 4, seed=1)
    apart = [local_pod(student[i : i + 1], teacher[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(local_pod(student, teacher), torch.stack(apart).mean())


def patches(keys):
    """One patch of each case, which its name determines."""
    return labelled([task for task, _ in keys], [0, 0, 3], seed=int(keys[0][1]))


def test_plop_averages_a_distance_per_stage_and_that_of_the_logits_and_grows_with_the_share_of_old_classes(begun):
    method, network, batch = begun(PLOP(strength=0.3, logits=0.7), patches=patches)
    moved(network)
    output = network(batch.data, batch.tasks)
    found = method.distillation(batch, output)
    student, teacher = network.trunk, method._teacher.network.trunk
    layers = [local_pod(s, t) for s, t in zip(student.encoder(batch.data), teacher.encoder(batch.data), strict=True)]
    layers += [local_pod(s, t) for s, t in zip(student(batch.data), teacher(batch.data), strict=True)]
    merged = with_merged_background(output.logits["a"][0], range(1, OLD))
    last = local_pod(merged, method._teacher.logits(batch.data))
    assert len(layers) == 5
    expected = math.sqrt((OLD + NEW) / NEW) * (0.3 * sum(layers) + 0.7 * last) / 6
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_plop_is_zero_with_zero_gradient_at_a_stages_first_step_and_pulls_once_something_was_learnt(begun):
    method, network, batch = begun(PLOP(strength=1.0, logits=1.0, pseudo_labels=False))
    term = method.distillation(batch, network(batch.data, batch.tasks))
    assert float(term) < 1e-4
    moved(network)
    later = method.distillation(batch, network(batch.data, batch.tasks))
    assert float(later) > 0.1
    assert steepest(network, later) > 1e-3


# PLOP: pseudo-labels


def test_normalised_entropy_is_one_for_no_idea_and_zero_for_certainty():
    logits = torch.stack([torch.zeros(4), torch.tensor([0.0, 90.0, 0.0, 0.0])])[..., None]
    label, entropy = labels_and_entropy(logits)
    torch.testing.assert_close(entropy.flatten(), torch.tensor([1.0, 0.0]))
    assert int(label[1]) == 1


@settings(max_examples=25)
@given(st.integers(0, 2**16), st.integers(1, 40), st.integers(1, 3))
def test_a_median_is_that_of_its_class_to_half_a_bin_in_however_many_parts_it_comes(seed, count, parts):
    rng = np.random.default_rng(seed)
    labels, entropy = torch.from_numpy(rng.integers(0, 3, count)), torch.from_numpy(rng.random(count))
    pieces = zip(labels.tensor_split(parts), entropy.tensor_split(parts), strict=True)
    found = median_entropies(pieces, 4)
    for c in range(4):
        mine = entropy[labels == c]
        expected = float(mine.median()) if len(mine) else 0.0
        assert float(found[c]) == pytest.approx(expected, abs=0.5001 / 10_000)


def test_plops_thresholds_are_the_medians_over_the_background_of_all_the_new_tasks_cases(begun):
    method, _, _ = begun(PLOP(floor=0.0), patches=patches)
    seen = [patches([("b", case)]) for case in "012"]
    answers = [labels_and_entropy(method._teacher.logits(batch.data)) for batch in seen]
    unlabelled = torch.cat([(batch.target[0][:, 0] == 0).flatten() for batch in seen])
    label, entropy = (torch.cat([a[i].flatten() for a in answers])[unlabelled] for i in range(2))
    expected = [float(entropy[label == c].median()) for c in range(1, OLD)]
    assert method._thresholds == pytest.approx(expected, abs=1e-4)


def test_plops_thresholds_are_never_below_the_floor(begun):
    method, _, _ = begun(PLOP(floor=2.0), patches=patches)
    assert method._thresholds == [2.0] * (OLD - 1)


def test_plop_labels_what_the_old_model_is_sure_of_and_leaves_out_the_rest_scaling_the_loss(begun):
    method, network, batch = begun(PLOP(strength=0.0, logits=0.0), patches=patches)
    target = method.relabel(batch).target[0][:, 0]
    label, entropy = labels_and_entropy(method._teacher.logits(batch.data))
    medians = torch.tensor([9.0, *method._thresholds])
    sure = (label == 0) | (entropy < medians[label])
    free = batch.target[0][:, 0] == 0
    assert torch.equal(target[free & sure], label[free & sure])
    assert (target[free & ~sure] == network.ignored).all()
    assert torch.equal(target[~free], batch.target[0][:, 0][~free])
    share = float((free & sure).sum() / free.sum())
    assert 0.3 < float((sure & (label > 0)).sum() / (label > 0).sum()) < 0.7
    assert share < 0.98
    output = network(batch.data, batch.tasks)
    assert float(method.loss(batch, output, torch.tensor(2.0))) == pytest.approx(2 * share)
    assert method.evidence()["left_out_share"] == pytest.approx(1 - share)


# pseudo-labels


@settings(max_examples=25)
@given(st.integers(0, 2**16))
def test_a_pseudo_label_never_takes_a_real_labels_place_at_any_scale(seed):
    batch = labelled(["b"], [0, 3, 4], seed=seed)
    filled = with_background_labelled(batch, torch.full((1, 8, 8, 8), 1))
    for after in filled.target:
        assert not (after == 0).any()
    real = batch.target[0]
    assert torch.equal(filled.target[0], torch.where(real == 0, 1, real))


def test_coarser_targets_are_nnunets_own_downsampling_of_the_filled_one():
    from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import DownsampleSegForDSTransform

    scales = ((1, 1, 1), (0.5, 0.5, 0.5), (0.25, 0.5, 0.25))
    down = DownsampleSegForDSTransform(scales)
    full = torch.randint(0, 2, (1, 9, 10, 11), dtype=torch.int16) * 3
    batch = Batch(torch.zeros(1, 1, 9, 10, 11), tuple(t[None] for t in down(segmentation=full)["segmentation"]), ())
    label = torch.randint(0, 3, (1, 9, 10, 11))
    expected = down(segmentation=torch.where(full == 0, label, full).to(torch.int16))["segmentation"]
    for ours, theirs in zip(with_background_labelled(batch, label).target, expected, strict=True):
        assert ours.dtype == full.dtype
        assert torch.equal(ours[0], theirs)


def test_pseudo_labels_are_the_old_models_most_probable_classes_whatever_the_network_has_learnt_since(begun):
    method, network, batch = begun(PseudoLabels())
    expected = network.past_logits(network.features(batch.data), ("a",))[0].argmax(1)
    moved(network)
    found, real = method.relabel(batch).target[0][:, 0], batch.target[0][:, 0]
    assert torch.equal(found, torch.where(real == 0, expected, real))
    assert method.effect() == pytest.approx(float(((real == 0) & (expected > 0)).sum() / (real == 0).sum()))


def test_a_pseudo_label_that_does_not_exceed_the_threshold_stays_background(begun):
    method, network, batch = begun(PseudoLabels(threshold=0.45))
    probability, label = network.past_logits(network.features(batch.data), ("a",))[0].softmax(1).max(1)
    found, free = method.relabel(batch).target[0][:, 0], batch.target[0][:, 0] == 0
    unsure = free & (probability <= 0.45)
    assert (found[unsure] == 0).all()
    assert ((found == label) | unsure)[free].all()
    assert 0 < int((unsure & (label > 0)).sum()) < int((free & (label > 0)).sum())
