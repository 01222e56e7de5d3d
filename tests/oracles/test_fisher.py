"""The Fisher estimator against closed forms and enumeration (methods.md sections 2.4 and 7)."""

from __future__ import annotations

import torch
from torch import nn

from clbench.methods.fisher import squared_gradients, trace_normalized


def logistic(features):
    """Two-class logistic regression as a one-voxel segmentation network: logit of class 1 is x·w."""
    weight = nn.Parameter(torch.tensor([0.4, -0.7, 0.2]))
    score = features @ weight
    return weight, torch.stack([torch.zeros_like(score), score], dim=1)


def test_logistic_regression_gives_p_times_one_minus_p_times_x_squared():
    torch.manual_seed(0)
    features = torch.randn(6, 3)
    weight, logits = logistic(features)
    p = torch.sigmoid(features @ weight.detach())
    exact = (p * (1 - p))[:, None].mul(features**2).sum(0)
    draws = 20_000
    estimate = squared_gradients(logits, {"w": weight}, draws)["w"] / draws
    torch.testing.assert_close(estimate, exact, rtol=0.06, atol=0)


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
    draws = 6000
    estimate = squared_gradients(logits, {"w": convolution.weight}, draws)["w"] / draws
    assert abs(float(estimate.sum() / exact.sum()) - 1) < 0.03
    torch.testing.assert_close(estimate, exact, rtol=0.25, atol=0.02 * float(exact.max()))


def test_patches_of_a_batch_add_up_because_cross_terms_vanish_under_sampled_labels():
    torch.manual_seed(2)
    features = torch.randn(5, 3)
    weight, logits = logistic(features)
    draws = 20_000
    together = squared_gradients(logits, {"w": weight}, draws)["w"] / draws
    alone = torch.zeros(3)
    for row in features:
        weight, logits = logistic(row[None])
        alone += squared_gradients(logits, {"w": weight}, draws)["w"] / draws
    torch.testing.assert_close(together, alone, rtol=0.06, atol=0)


def test_a_convolution_bias_before_instance_norm_has_no_fisher():
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.InstanceNorm3d(4, affine=True), nn.Conv3d(4, 2, 1))
    logits = network(torch.randn(2, 1, 4, 4, 4))
    fisher = squared_gradients(logits, dict(network.named_parameters()), 4)
    assert float(fisher["0.bias"].max()) < 1e-8 * float(fisher["0.weight"].max())
    assert float(fisher["1.weight"].min()) > 0


def test_trace_normalisation_gives_mean_one_and_leaves_an_empty_fisher_alone():
    fisher = trace_normalized({"a": torch.tensor([1.0, 3.0]), "b": torch.tensor([[4.0]])})
    assert torch.cat([f.flatten() for f in fisher.values()]).mean() == 1
    assert not trace_normalized({"a": torch.zeros(2)})["a"].any()
