"""GPM: what a layer gave for earlier tasks' inputs it gives for ever (methods.md 4.12, oracle 17)."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from clbench.methods.finetune import Finetune
from clbench.methods.gpm import GPM
from clbench.methods.subspace import as_rows, grown_basis, input_columns, outside, shared_convolutions, write_rows

LAYERS = [
    nn.Conv3d(3, 2, 3, padding=1),
    nn.Conv3d(2, 3, (1, 3, 2), stride=(1, 2, 2), padding=(0, 1, 2)),
    nn.Conv3d(2, 2, 2, stride=3, dilation=(1, 2, 1)),
    nn.Conv3d(4, 2, 1),
    nn.ConvTranspose3d(3, 2, 2, 2),
    nn.ConvTranspose3d(2, 3, (1, 2, 2), (1, 2, 2)),
]


def in_order(tensor):
    return tensor.flatten().sort().values


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_rows_times_columns_are_all_that_the_layer_gives_at_all_its_places(layer):
    torch.manual_seed(0)
    layer = copy.deepcopy(layer).double()
    nn.init.zeros_(layer.bias)
    data = torch.randn(2, layer.in_channels, 5, 6, 7, dtype=torch.float64)
    with torch.no_grad():
        columns = input_columns(layer, data, 10**6, np.random.default_rng(0))
        products = columns @ as_rows(layer, layer.weight).T
        torch.testing.assert_close(in_order(products), in_order(layer(data)))


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_rows_are_written_back_where_they_were_read(layer):
    tensor = torch.zeros_like(layer.weight)
    write_rows(layer, tensor, as_rows(layer, layer.weight))
    assert torch.equal(tensor, layer.weight)


def test_a_sample_is_of_different_places_all_of_them_alike():
    data = torch.arange(2 * 60.0).view(2, 1, 3, 4, 5)
    seen = torch.cat([input_columns(LAYERS[4], data, 30, np.random.default_rng(seed)) for seed in range(200)])
    assert all(len(chunk.unique()) == 30 for chunk in seen.view(200, 30))
    counts = torch.bincount(seen.flatten().long(), minlength=120)
    assert 20 < int(counts.min()) <= int(counts.max()) < 85  # 50 each, with a standard deviation of 6.1


def columns(seed, n=40, d=12, decay=0.6):
    generator = torch.Generator().manual_seed(seed)
    turned = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))[0]
    scales = decay ** torch.arange(d, dtype=torch.float64)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) * scales @ turned


def held(basis, inputs):
    return 1 - float(outside(inputs, basis).square().sum() / inputs.square().sum())


def nothing(d=12):
    return torch.zeros(d, 0, dtype=torch.float64)


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.97, 0.999])
def test_the_basis_is_the_smallest_that_holds_the_threshold_of_the_energy(threshold):
    """The best subspace of r dimensions holds the r largest eigenvalues of the inputs' second moment."""
    inputs = columns(0)
    basis = grown_basis(nothing(), inputs, threshold)
    energies = torch.linalg.eigvalsh(inputs.T @ inputs).flip(0)
    share = (energies.cumsum(0) / energies.sum()).tolist()
    rank = basis.shape[1]
    assert share[rank - 1] >= threshold > (share[rank - 2] if rank > 1 else 0)
    assert held(basis, inputs) == pytest.approx(share[rank - 1], abs=1e-12)
    torch.testing.assert_close(basis.T @ basis, torch.eye(rank, dtype=torch.float64), rtol=0, atol=1e-12)


def test_a_later_task_adds_only_what_the_basis_does_not_hold_yet():
    first, second = columns(0), columns(1)
    before = grown_basis(nothing(), first, 0.9)
    after = grown_basis(before, second, 0.9)
    assert held(after, before.T) == pytest.approx(1, abs=1e-12)
    assert held(after, second) >= 0.9
    assert before.shape[1] < after.shape[1] < before.shape[1] + grown_basis(nothing(), second, 0.9).shape[1]
    assert torch.equal(grown_basis(before, first, 0.9), before)


def test_a_threshold_of_zero_takes_nothing_and_of_one_everything_there_is():
    inputs = columns(0)[:5]
    assert grown_basis(nothing(), inputs, 0.0).shape == (12, 0)
    assert held(grown_basis(nothing(), inputs, 1.0), inputs) == pytest.approx(1, abs=1e-12)
    assert grown_basis(nothing(), torch.zeros(5, 12, dtype=torch.float64), 1.0).shape == (12, 0)
    full = grown_basis(grown_basis(nothing(), inputs, 1.0), columns(1), 1.0)
    torch.testing.assert_close(full.T @ full, torch.eye(12, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("layout", ["own", "shared", "joined"])
def test_no_layer_answers_the_protected_inputs_otherwise_after_training_with_momentum_and_decay(
    trial, layout, dtype, tolerance
):
    made, method = trial(layout, dtype), GPM(threshold=0.9)
    layers = shared_convolutions(made.context)
    before = {name: layer.weight.detach().clone() for name, layer in layers.items()}
    made.trained(method)
    moved = 0
    for name, layer in layers.items():
        basis = method._bases[name]
        assert basis.shape[1] > 0
        old, new = (as_rows(layer, w.detach()) @ basis for w in (before[name], layer.weight))
        assert float((new - old).norm()) <= tolerance * float(old.norm()), name
        moved += not torch.equal(before[name], layer.weight)
    assert moved > 0


def outputs_before_and_after(trial, method):
    """Task b's logits on its only patch before and after a stage on other patches, and whether the trunk moved."""
    patch = trial().load([("b", "b0")])
    cases = {**trial().context.cases, "b": ("b0",)}
    made = trial(dtype=torch.float64, cases=cases, patches=lambda _: replace(patch, data=patch.data.double()))
    before = [p.detach().clone() for p in made.network.trunk.parameters()]
    logits = [made.network(patch.data.double(), ["b"]).logits["b"][0].detach()]
    made.trained(method)
    logits += [made.network(patch.data.double(), ["b"]).logits["b"][0].detach()]
    return *logits, any(not torch.equal(p, q) for p, q in zip(made.network.trunk.parameters(), before, strict=True))


def test_where_all_old_inputs_are_protected_the_networks_old_outputs_never_change(trial):
    """Every layer's inputs stay what they were because the layer before it answers as it did."""
    before, after, moved = outputs_before_and_after(trial, GPM(threshold=1.0, columns=10**6))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-10)
    assert moved
    before, after, _ = outputs_before_and_after(trial, Finetune())
    assert float((after - before).abs().max()) > 1e-3


def test_gradients_lose_their_part_in_the_basis_before_they_are_clipped(trial):
    made, method = trial(dtype=torch.float64), GPM(threshold=0.9)
    made.begin(method)
    torch.manual_seed(5)
    layers = shared_convolutions(made.context)
    for layer in layers.values():
        layer.weight.grad = torch.randn_like(layer.weight)
    before = {name: as_rows(layer, layer.weight.grad).clone() for name, layer in layers.items()}
    method.after_backward(made.context.iterations - 1, lr=0.1)
    removed = 0.0
    for name, layer in layers.items():
        basis, found = method._bases[name], as_rows(layer, layer.weight.grad)
        torch.testing.assert_close(found, before[name] - before[name] @ (basis @ basis.T))
        removed += float((found - before[name]).square().sum())
    total = sum(float(g.square().sum()) for g in before.values())
    assert method.effect() == pytest.approx((removed / total) ** 0.5)


@pytest.mark.parametrize(("layout", "heads"), [("own", 0), ("shared", 2), ("joined", 4)])
def test_all_shared_tensors_are_protected_those_of_shared_heads_too(trial, layout, heads):
    made, method = trial(layout), GPM(threshold=0.9)
    made.begin(method)
    evidence = method.evidence()
    assert evidence["tensors_protected"] == evidence["tensors_expected"]
    assert sum(name.startswith("heads.") for name in method._layers) == heads
    assert len(method._layers) == 4 + heads
    shared = {id(p) for p in made.context.trunk.values()}
    free = [p for p in made.network.parameters() if p.requires_grad and id(p) not in shared]
    assert len(free) == (0 if layout == "shared" else 4)


def test_the_next_stage_protects_what_the_last_one_did_and_more(trial):
    first = GPM(threshold=0.9)
    first.begin_stage(trial(task="b", earlier=("a",)).context)
    made = trial(memory=copy.deepcopy(first.end_stage()))
    second = GPM(threshold=0.9)
    second.begin_stage(made.context)
    for name, basis in first.end_stage()["bases"].items():
        assert held(second._bases[name], basis.T) == pytest.approx(1, abs=1e-5)
    sizes = [sum(b.numel() for b in m.end_stage()["bases"].values()) for m in (first, second)]
    assert sizes[1] > sizes[0]
    assert second.buffers(2) * sum(p.numel() for p in made.context.trunk.values()) == pytest.approx(sizes[1])


def test_the_inputs_are_looked_at_once_on_the_previous_tasks_cases(trial):
    asked, load = [], trial().load
    made = trial(patches=lambda keys: asked.extend(keys) or load(keys))
    made.begin(GPM())
    assert asked == [("b", case) for case in made.context.cases["b"]]
    assert not any(module._forward_pre_hooks for module in made.network.modules())


@pytest.mark.parametrize("layout", ["own", "shared", "joined"])
def test_a_threshold_of_zero_is_finetuning_to_the_bit(trial, layout):
    method = GPM(threshold=0.0)
    found, expected = trial(layout).trained(method), trial(layout).trained(Finetune())
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    assert method.effect() == 0


def test_a_resumed_stage_ends_in_the_same_weights(trial):
    expected = trial().trained(GPM())
    first = trial().begin(GPM())
    first.train_epoch()
    state = copy.deepcopy(first.state())
    made = trial()
    second = made.begin(GPM())
    second.load_state(state)
    second.train_epoch()
    assert all(torch.equal(value, made.network.state_dict()[name]) for name, value in expected.items())
