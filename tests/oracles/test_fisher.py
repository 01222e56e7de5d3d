"""The Fisher estimators against closed forms and enumeration (methods.md sections 2.3, 2.4 and 7)."""

from __future__ import annotations

import pytest
import torch
from nngeometry.metrics import FIM_MonteCarlo
from nngeometry.object import PMatDiag
from torch import nn
from torch.autograd.functional import jacobian
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from clbench.methods.fisher import (
    enumerated_gradients,
    estimate_fisher,
    label_gradients,
    squared_gradients,
    trace_normalized,
)
from clbench.network.batch import Batch

KINDS = ["sample", "exact", "empirical", "batched"]


def logistic(features):
    """Two-class logistic regression as a one-voxel segmentation network: logit of class 1 is x·w."""
    weight = nn.Parameter(torch.tensor([0.4, -0.7, 0.2]))
    score = features @ weight
    return weight, torch.stack([torch.zeros_like(score), score], dim=1)


def logistic_fisher(features):
    """Closed form: sum over x of p (1 - p) x^2."""
    weight, _ = logistic(features)
    p = torch.sigmoid(features @ weight.detach())
    return (p * (1 - p))[:, None].mul(features**2).sum(0)


def test_enumeration_gives_logistic_regressions_p_times_one_minus_p_times_x_squared_exactly():
    torch.manual_seed(0)
    features = torch.randn(6, 3)
    weight, logits = logistic(features)
    exact = enumerated_gradients(logits, {"w": weight}, 64)["w"]
    torch.testing.assert_close(exact, logistic_fisher(features), rtol=1e-5, atol=0)


def test_sampled_labels_converge_to_logistic_regressions_closed_form():
    torch.manual_seed(0)
    features = torch.randn(6, 3)
    weight, logits = logistic(features)
    estimate = squared_gradients(logits, {"w": weight}, 5000)["w"]
    torch.testing.assert_close(estimate, logistic_fisher(features), rtol=0.06, atol=0)


def dense_network():
    torch.manual_seed(1)
    convolution = nn.Conv3d(1, 3, 3, padding=1)
    return convolution, convolution(torch.randn(1, 1, 2, 3, 2))


def exact_dense_fisher(convolution, logits):
    """Enumerated: sum over voxels and classes of p times the squared gradient of log p."""
    log_p = logits.log_softmax(1).movedim(1, -1).flatten(0, -2)
    total = torch.zeros_like(convolution.weight)
    for voxel in log_p:
        for value in voxel:
            (gradient,) = torch.autograd.grad(value, convolution.weight, retain_graph=True)
            total += value.exp().detach() * gradient**2
    return total


def test_one_label_map_per_draw_estimates_the_enumerated_dense_fisher_without_bias():
    convolution, logits = dense_network()
    exact = exact_dense_fisher(convolution, logits)
    estimate = squared_gradients(logits, {"w": convolution.weight}, 4000)["w"]
    assert abs(float(estimate.sum() / exact.sum()) - 1) < 0.03
    torch.testing.assert_close(estimate, exact, rtol=0.25, atol=0.02 * float(exact.max()))


def test_enumerating_all_voxels_is_the_exact_dense_fisher_and_some_of_them_estimate_it_without_bias():
    convolution, logits = dense_network()
    exact = exact_dense_fisher(convolution, logits)
    parameters = {"w": convolution.weight}
    torch.testing.assert_close(enumerated_gradients(logits, parameters, 12)["w"], exact, rtol=1e-4, atol=1e-7)
    some = torch.stack([enumerated_gradients(logits, parameters, 4)["w"] for _ in range(150)]).mean(0)
    assert abs(float(some.sum() / exact.sum()) - 1) < 0.03


def test_patches_of_a_batch_add_up_because_cross_terms_vanish_under_sampled_labels():
    torch.manual_seed(2)
    features = torch.randn(5, 3)
    weight, logits = logistic(features)
    together = squared_gradients(logits, {"w": weight}, 5000)["w"]
    torch.testing.assert_close(together, logistic_fisher(features), rtol=0.06, atol=0)


def test_with_given_labels_cross_terms_between_voxels_do_not_vanish():
    """Equal voxels with equal labels: n^2 times the square of one, not n times."""
    features = torch.tensor([[1.0, 2.0, -1.0]]).expand(7, 3)
    weight, logits = logistic(features)
    one = label_gradients(logits[:1], torch.ones(1, 1), {"w": weight})["w"]
    torch.testing.assert_close(label_gradients(logits, torch.ones(7, 1), {"w": weight})["w"], 49 * one)


def test_a_loss_averaged_over_voxels_would_shrink_the_fisher_by_their_number_squared():
    convolution, logits = dense_network()
    target = logits.detach().argmax(1, keepdim=True)
    (mean,) = torch.autograd.grad(F.cross_entropy(logits, target[:, 0]), convolution.weight, retain_graph=True)
    found = label_gradients(logits, target, {"w": convolution.weight})["w"]
    torch.testing.assert_close(found / 12**2, mean**2)


def test_a_convolution_bias_before_instance_norm_has_no_fisher_and_its_weights_scale_no_output():
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.InstanceNorm3d(4, affine=True), nn.Conv3d(4, 2, 1))
    data = torch.randn(2, 1, 4, 4, 4)
    logits = network(data)
    fisher = squared_gradients(logits, dict(network.named_parameters()), 4)
    assert float(fisher["0.bias"].max()) < 1e-8 * float(fisher["0.weight"].max())
    assert float(fisher["1.weight"].min()) > 0
    with torch.no_grad():
        network[0].weight *= 3
        network[0].bias += 1
    torch.testing.assert_close(network(data), logits, rtol=1e-3, atol=1e-4)


def test_trace_normalisation_gives_mean_one_and_leaves_an_empty_fisher_alone():
    fisher = trace_normalized({"a": torch.tensor([1.0, 3.0]), "b": torch.tensor([[4.0]])})
    assert torch.cat([f.flatten() for f in fisher.values()]).mean() == 1
    assert not trace_normalized({"a": torch.zeros(2)})["a"].any()


class Segmenter:
    """A trunk whose output is the only head's logits, on data that is made up from a case's number."""

    def __init__(self, trunk, shape, labels=None):
        self.trunk, self.shape, self.labels = trunk, shape, labels

    def features(self, data):
        return [self.trunk(data)]

    def logits(self, task, features, among=None):
        return features

    def patches(self, keys):
        data = torch.stack([self.image(case) for _, case in keys])
        return Batch(data, (self.labels(self.trunk(data)),), tuple(keys))

    def image(self, case):
        return torch.randn(self.shape, generator=torch.Generator().manual_seed(int(case)))

    def context(self, stage, cases):
        names = tuple(str(i) for i in range(cases))
        trunk = dict(self.trunk.named_parameters())
        return stage(trunk, network=self, cases={"a": names}, patches=self.patches)


def brightest(logits):
    return logits.detach().argmax(1, keepdim=True)


def drawn(logits):
    p = logits.detach().softmax(1).movedim(1, -1)
    labels = torch.multinomial(p.flatten(0, -2), 1)
    return labels.reshape(logits.shape[0], 1, *logits.shape[2:])


def small_unet():
    torch.manual_seed(4)
    return nn.Sequential(
        nn.Conv3d(1, 3, 3, padding=1), nn.InstanceNorm3d(3, affine=True), nn.LeakyReLU(),
        nn.ConvTranspose3d(3, 2, 2, stride=2),
    )  # fmt: skip


def per_sample_gradients(trunk, data, target):
    """By ``vmap(grad)``: of the summed log-likelihood, one per image."""
    parameters = {name: p.detach() for name, p in trunk.named_parameters()}

    def likelihood(weights, image, labels):
        return -F.cross_entropy(functional_call(trunk, weights, (image[None],)), labels, reduction="sum")

    return vmap(grad(likelihood), (None, 0, 0))(parameters, data, target[:, 0, None])


def test_empirical_is_the_mean_over_images_of_vmapped_squared_gradients_per_voxel(stage):
    network = Segmenter(small_unet(), (1, 3, 4, 3), brightest)
    estimate = estimate_fisher(network.context(stage, 8), 1, "empirical")
    data = torch.stack([network.image(i) for i in range(8)])
    gradients = per_sample_gradients(network.trunk, data, brightest(network.trunk(data)))
    assert (estimate.voxels, estimate.patches) == (6 * 8 * 6, 8)
    for name, g in gradients.items():
        torch.testing.assert_close(estimate.diagonal[name] * 288, (g**2).mean(0), rtol=1e-3, atol=1e-4)


def test_batched_is_the_square_of_the_mean_gradient_of_four_images(stage):
    network = Segmenter(small_unet(), (1, 3, 4, 3), brightest)
    estimate = estimate_fisher(network.context(stage, 8), 1, "batched")
    data = torch.stack([network.image(i) for i in range(8)])
    gradients = per_sample_gradients(network.trunk, data, brightest(network.trunk(data)))
    for name, g in gradients.items():
        expected = (g[:4].mean(0) ** 2 + g[4:].mean(0) ** 2) / 2
        torch.testing.assert_close(estimate.diagonal[name] * 288, expected, rtol=1e-3, atol=1e-4)


def test_exact_and_sample_agree_with_the_enumerated_fisher_of_the_mean_image_per_voxel(stage):
    torch.manual_seed(5)
    network = Segmenter(nn.Conv3d(1, 3, 3, padding=1), (1, 2, 3, 2), brightest)
    context = network.context(stage, 4)
    images = [network.trunk(network.image(i)[None]) for i in range(4)]
    expected = sum(exact_dense_fisher(network.trunk, logits) for logits in images) / 4 / 12
    exact = estimate_fisher(context, 1, "exact").diagonal["weight"]
    torch.testing.assert_close(exact, expected, rtol=1e-4, atol=1e-7)
    sample = estimate_fisher(context, 4000, "sample").diagonal["weight"]
    torch.testing.assert_close(sample, expected, rtol=0.15, atol=0.02 * float(expected.max()))


class Score(nn.Module):
    """Logistic regression as a module: ``(B, 3)`` to two logits of one voxel."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.4, -0.7, 0.2]))

    def forward(self, data):
        score = data @ self.weight
        return torch.stack([torch.zeros_like(score), score], dim=1)


@pytest.mark.parametrize(("kind", "share"), [("empirical", 1.0), ("batched", 0.25)])
def test_under_labels_drawn_from_the_model_empirical_is_unbiased_and_batched_a_quarter(stage, kind, share):
    """E[(mean gradient of B images)^2] = F / B, here with B = 4."""
    torch.manual_seed(6)
    network = Segmenter(Score(), (3,), drawn)
    cases = 12000 if kind == "batched" else 3000
    estimate = estimate_fisher(network.context(stage, cases), 1, kind).diagonal["weight"]
    features = torch.stack([network.image(i) for i in range(cases)])
    expected = share * logistic_fisher(features) / cases
    torch.testing.assert_close(estimate, expected, rtol=0.12, atol=0)
    assert float(estimate.sum() / expected.sum()) == pytest.approx(1, abs=0.05)


def twins():
    """One network for planes, as nngeometry takes it, and for volumes of depth 1: their parameters, their outputs.

    ``GroupNorm`` of one channel a group is ``InstanceNorm``, which nngeometry does not know.
    """
    torch.manual_seed(7)
    flat = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1, bias=False), nn.GroupNorm(3, 3), nn.LeakyReLU(),
        nn.ConvTranspose2d(3, 3, 2, stride=2),
    )  # fmt: skip
    deep = nn.Sequential(
        nn.Conv3d(1, 3, (1, 3, 3), padding=(0, 1, 1), bias=False), nn.InstanceNorm3d(3, affine=True), nn.LeakyReLU(),
        nn.ConvTranspose3d(3, 3, (1, 2, 2), stride=(1, 2, 2)),
    )  # fmt: skip
    flat[3].weight.data *= 3  # labels far from evenly likely
    for mine, other in zip(deep.parameters(), flat.parameters(), strict=True):
        mine.data = other.detach().clone().view(mine.shape)
    return flat, deep


def scores(network, image):
    """Of an image ``(1, C, ...)``: the labels' probabilities ``(V, K)`` and d log p / d parameters ``(V, K, P)``."""
    names = [name for name, _ in network.named_parameters()]

    def log_p(*weights):
        logits = functional_call(network, dict(zip(names, weights, strict=True)), image)
        return logits.log_softmax(1)[0].flatten(1).T

    values = tuple(p.detach() for p in network.parameters())
    return log_p(*values).exp(), torch.cat([j.flatten(2) for j in jacobian(log_p, values)], 2)


def variance(p, g):
    """Variance over label maps of the squared norm of s, the sum over voxels v of independent scores g of mean 0.

    |s|^2 is the sum of |g_v|^2 and, over pairs, of g_v . g_w, which are uncorrelated with everything but themselves:
    sum_v var |g_v|^2 + 2 (|sum_v C_v|^2 - sum_v |C_v|^2), C_v = E[g_v g_v^T], |.| Frobenius' norm.

    Args:
        p: ``(V, K)``.
        g: ``(V, K, P)``; with P = 1 this is the variance of one parameter's estimate.
    """
    squared = (g**2).sum(2)
    covariance = torch.einsum("vk,vki,vkj->vij", p, g, g)
    single = (p * squared**2).sum() - (p * squared).sum(1).square().sum()
    return single + 2 * (covariance.sum(0).square().sum() - covariance.square().sum())


def each_and_all(diagonal):
    """A diagonal's entries, and its trace."""
    return torch.cat([diagonal, diagonal.sum()[None]])


def variances(p, g):
    """Of every parameter's estimate, and of the trace's."""
    return torch.stack([*(variance(p, g[..., i : i + 1]) for i in range(g.shape[2])), variance(p, g)])


def test_the_sampled_fisher_and_nngeometrys_of_the_same_network_meet_the_exact_one_within_monte_carlo_errors(stage):
    """Five standard errors, computed, not guessed: by chance one seed in 8,000 has one of its 219 numbers outside.

    nngeometry squares image by image; we square four at a time, whence cross terms and a larger error.
    """
    flat, deep = twins()
    network, draws, at_once = Segmenter(deep, (1, 1, 3, 4), brightest), 1000, 50
    context = network.context(stage, 4)
    images = torch.stack([network.image(i) for i in range(4)])[:, :, 0]
    found = [scores(flat, image[None]) for image in images]
    p, g = (torch.cat(parts) for parts in zip(*found, strict=True))
    exact = each_and_all(torch.einsum("vk,vki->i", p, g**2)) / 4

    def ours(kind):
        estimate = estimate_fisher(context, draws, kind)
        return each_and_all(torch.cat([f.flatten() for f in estimate.diagonal.values()]) * estimate.voxels)

    repeated = (images.repeat(at_once, 1, 1, 1), torch.zeros(4 * at_once))
    theirs = FIM_MonteCarlo(flat, repeated, PMatDiag, "segmentation_logits", draws // at_once).get_diag()
    sampled, theirs = ours("sample"), each_and_all(theirs)
    our_variance = variances(p, g) / 4**2 / draws
    their_variance = torch.stack([variances(*one) for one in found]).sum(0) / 4**2 / draws
    torch.testing.assert_close(ours("exact"), exact, rtol=1e-4, atol=1e-6)
    assert ((sampled - exact).abs() <= 5 * our_variance.sqrt()).all()
    assert ((theirs - exact).abs() <= 5 * their_variance.sqrt()).all()
    assert ((sampled - theirs).abs() <= 5 * (our_variance + their_variance).sqrt()).all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_estimator_covers_every_tensor_and_is_finite_and_nowhere_negative(stage, kind):
    network = Segmenter(small_unet(), (1, 3, 4, 3), brightest)
    diagonal = estimate_fisher(network.context(stage, 5), 2, kind).diagonal
    assert list(diagonal) == [name for name, _ in network.trunk.named_parameters()]
    for name, value in diagonal.items():
        assert torch.isfinite(value).all()
        assert (value >= 0).all()
        assert name == "0.bias" or value.any()
