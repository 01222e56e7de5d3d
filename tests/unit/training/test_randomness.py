"""A method's batches draw from the global generators without disturbing them."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from clbench.network.randomness import own_stream, seed_all

CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))


def drawn(device: str) -> list[float]:
    return [random.gauss(0, 1), np.random.randn(), float(torch.randn(1, device=device))]


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_a_stream_of_its_own_is_the_rngs_and_leaves_all_generators_where_they_were(device):
    seed_all([1])
    expected = [drawn(device) for _ in range(2)]
    seed_all([1])
    before = drawn(device)
    with own_stream(np.random.default_rng(7)):
        own = drawn(device)
    assert [before, drawn(device)] == expected
    with own_stream(np.random.default_rng(7)):
        assert drawn(device) == own
    assert own not in expected
