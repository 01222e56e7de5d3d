"""The first iterations of a stage: its losses, and sketches of how far its weights have moved.

From the same start two processors' roundings stay close for some iterations, and a change of the method, the data or
the optimiser does not: a dozen iterations tell one from the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from clbench.results.arrays import SKETCHED

BUCKETS = 64


class TraceRecorder:
    """Records the first iterations of a stage.

    Attributes:
        losses: of the first ``SKETCHED[-1]`` iterations.
        moved: iteration → sketch ``(BUCKETS,)`` of the weights less those at the start.
    """

    def __init__(self, parameters: Mapping[str, torch.Tensor]) -> None:
        """Watch parameters; they are not copied."""
        self.parameters = parameters
        self.losses: list[float] = []
        self.moved: dict[str, list[float]] = {}
        self._start: list[float] = []

    def begin(self) -> None:
        """Take the weights as they are now as the start, unless the stage goes on."""
        if not self.losses:
            self._start = sketch(self.parameters).tolist()

    def see(self, loss: torch.Tensor) -> None:
        """Record one more iteration, whose weights have been updated; later ones cost nothing."""
        if len(self.losses) == SKETCHED[-1]:
            return
        self.losses.append(float(loss))
        if (done := len(self.losses)) in SKETCHED:
            self.moved[str(done)] = (sketch(self.parameters) - np.array(self._start)).tolist()

    def record(self) -> dict[str, Any]:
        """Losses and sketches, JSON-able."""
        return {"losses": self.losses, "moved": self.moved}

    def state(self) -> dict[str, Any]:
        """What an exact resume needs."""
        return {**self.record(), "start": self._start}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state`` was taken."""
        self.losses, self.moved, self._start = list(state["losses"]), dict(state["moved"]), list(state["start"])


def sketch(parameters: Mapping[str, torch.Tensor]) -> np.ndarray:
    """A linear map of all weights to ``(BUCKETS,)`` in float64 that about keeps distances.

    Each weight goes with a fixed random sign into a fixed random bucket, so that the squared norm of the sketch is
    that of the weights in expectation, with a standard deviation of ``sqrt(2 / BUCKETS)`` of it.
    Source: count sketch, Charikar et al., ICALP 2002.
    """
    total = np.zeros(BUCKETS)
    for number, weights in enumerate(parameters.values()):
        values = weights.detach().cpu().to(torch.float64).contiguous().numpy().ravel()
        hashed = _hash(np.arange(values.size, dtype=np.uint64) + np.uint64(number << 40))
        signs = np.where(hashed & np.uint64(1), 1.0, -1.0)
        total += np.bincount((hashed >> np.uint64(58)).astype(np.intp), signs * values, BUCKETS)
    return total


def _hash(keys: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: every bit depends on every bit of the key. Source: Steele et al., OOPSLA 2014."""
    keys = keys * np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = keys ^ (keys >> np.uint64(31))
    return mixed
