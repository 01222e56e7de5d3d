"""The global random generators that nnU-Net's loader and augmentation draw from: seeded, saved, restored."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_all(seed: Sequence[int]) -> None:
    """Seed python, numpy and torch from one sequence of integers."""
    _seed(np.random.SeedSequence(list(seed)).generate_state(3))


def _seed(seeds: np.ndarray) -> None:
    first, second, third = (int(seed) for seed in seeds)
    random.seed(first)
    np.random.seed(second)
    torch.manual_seed(third)


@contextmanager
def own_stream(rng: np.random.Generator) -> Iterator[None]:
    """Seed the generators by ``rng`` for batches that only a method asks for, and give them back as they were."""
    before = random_state()
    _seed(rng.integers(2**32, size=3))
    try:
        yield
    finally:
        set_random_state(before)


def random_state() -> dict[str, Any]:
    """The state of all generators, in types that ``torch.load(weights_only=True)`` reads."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    version, internal, gauss_next = random.getstate()
    return {
        "python": [version, list(internal), gauss_next],
        "numpy": [kind, [int(k) for k in keys], int(position), int(has_gauss), float(gauss)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Go on drawing where ``random_state`` was taken."""
    version, internal, gauss_next = state["python"]
    random.setstate((version, tuple(internal), gauss_next))
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, np.asarray(keys, dtype=np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
