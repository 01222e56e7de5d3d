"""A stream of random numbers beside the data's, for batches that only a method asks for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def own_stream(rng: np.random.Generator) -> Iterator[None]:
    """Seed by ``rng`` the global generators that augmentation draws from, and give them back as they were."""
    python, numpy, torch_ = random.getstate(), np.random.get_state(), torch.get_rng_state()
    first, second, third = (int(seed) for seed in rng.integers(2**32, size=3))
    random.seed(first)
    np.random.seed(second)
    torch.default_generator.manual_seed(third)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(torch_)
