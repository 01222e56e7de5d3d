"""Random numbers that are the same on every machine and in every version of numpy.

Numpy promises a stable stream for its bit generators, not for ``Generator``'s distributions, and the tails of
those call libm, whose last bit differs from machine to machine. Here every number comes from the raw bits by
integer arithmetic and one or two correctly rounded floating-point operations.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Sum of four independent 16-bit integers: its mean and its standard deviation.
SUM_MEAN = 2 * 65535
SUM_DEVIATION = math.sqrt(4 * (65536**2 - 1) / 12)


class Draws:
    """One case's stream of random numbers."""

    def __init__(self, name: str, index: int) -> None:
        """Start the stream of case ``index`` of the task ``name``."""
        root = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "big")
        self._bits = np.random.PCG64(np.random.SeedSequence([root, index]))

    def normals(self, deviation: float, *shape: int) -> Floats:
        """Nearly normal numbers (sums of four uniform ones, at most 3.5 deviations out) with mean 0."""
        quarters = self._raw(math.prod(shape)).view(np.uint16).reshape(-1, 4)
        # Four slices added up: several times faster than a sum along so short an axis.
        sums = quarters[:, 0].astype(np.int64) + quarters[:, 1] + quarters[:, 2] + quarters[:, 3]
        scaled: Floats = (sums - SUM_MEAN) * np.float64(deviation / SUM_DEVIATION)
        return scaled.reshape(shape)

    def normal(self, deviation: float) -> float:
        """One nearly normal number with mean 0."""
        return float(self.normals(deviation, 1)[0])

    def uniform(self, low: float, high: float) -> float:
        """A number between ``low`` and ``high``."""
        return low + (high - low) * (int(self._raw(1)[0]) >> 11) / (1 << 53)

    def symmetric(self, limit: float) -> float:
        """A number between ``-limit`` and ``limit``."""
        return self.uniform(-limit, limit)

    def integer(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``, both included."""
        return low + (int(self._raw(1)[0]) * (high - low + 1) >> 64)

    def _raw(self, count: int) -> npt.NDArray[np.uint64]:
        raw: npt.NDArray[np.uint64] = self._bits.random_raw(count)
        return raw
