"""The trace of a stage's first iterations: its sketch keeps distances, and it survives a resume."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from clbench.results.arrays import SKETCHED
from clbench.training.trace import BUCKETS, TraceRecorder, sketch


def _weights(seed: int, scale: float = 1.0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {"a": scale * torch.randn(300, 20, generator=generator), "b": scale * torch.randn(77, generator=generator)}


@given(st.integers(0, 1000), st.floats(-3, 3, width=32))
def test_a_sketch_is_linear(seed: int, factor: float) -> None:
    one, other = _weights(seed), _weights(seed + 1)
    both = {name: (one[name].double() + factor * other[name].double()) for name in one}
    assert np.allclose(sketch(both), sketch(one) + factor * sketch(other), atol=1e-9)


def test_a_sketch_keeps_lengths() -> None:
    """The squared length has a standard deviation of sqrt(2 / BUCKETS), here .18; of 200 means .0125."""
    ratios = []
    for seed in range(200):
        weights = _weights(seed)
        square = sum(float(one.double().square().sum()) for one in weights.values())
        ratios.append((sketch(weights) ** 2).sum() / square)
    assert abs(np.mean(ratios) - 1) < 4 * np.sqrt(2 / BUCKETS / 200)
    assert np.std(ratios) < 1.3 * np.sqrt(2 / BUCKETS)


def test_one_weight_lands_in_one_bucket_whole() -> None:
    weights = {"a": torch.zeros(5000)}
    weights["a"][4321] = 3.0
    found = sketch(weights)
    assert sorted(np.abs(found))[-2:] == [0.0, 3.0]


def test_equal_tensors_under_two_names_are_told_apart() -> None:
    one, two = torch.ones(50), torch.zeros(50)
    assert not np.allclose(sketch({"a": one, "b": two}), sketch({"a": two, "b": one}))


def test_a_trace_records_its_looks_and_goes_on_where_it_was_saved() -> None:
    weights = {"a": torch.zeros(1000)}

    def steps(trace: TraceRecorder, count: int) -> None:
        for _ in range(count):
            weights["a"] += 1.0
            trace.see(torch.tensor(0.5))

    whole = TraceRecorder(weights)
    whole.begin()
    steps(whole, 20)
    weights["a"].zero_()
    first = TraceRecorder(weights)
    first.begin()
    steps(first, 4)
    second = TraceRecorder(weights)
    second.load_state(first.state())
    second.begin()
    steps(second, 16)
    assert second.record() == whole.record()
    assert list(whole.moved) == [str(look) for look in SKETCHED]
    assert len(whole.losses) == SKETCHED[-1]
    for look in SKETCHED:
        assert np.allclose(whole.moved[str(look)], look * sketch({"a": torch.ones(1000)}))
