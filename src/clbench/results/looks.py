"""When a comparison that goes on with more seeds is looked at, and how much of its error rate each look may use.

The error rate is spent after O'Brien and Fleming: nearly nothing at early looks, nearly everything at the last. An
early answer needs overwhelming evidence, and the last look is hardly stricter than a single test would be.

Source: spending function of Lan and DeMets 1983; recursive integration of Armitage, McPherson and Rowe 1969;
Student's t by significance level as in Jennison and Turnbull 2000, section 4.4.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from clbench.results.statistics import Array

LOOKS = (3, 5, 8, 12, 20)
"""Numbers of seeds at which a sequential comparison may stop."""

STEPS = 800
"""Intervals of the grid that a density is integrated on; twice as many change a level by less than a millionth."""
REACH = 8.0
"""How many standard deviations below zero the grid goes."""


def look_at(seeds: int) -> int | None:
    """Which look is the last that so many seeds allow, from 0; None before the first."""
    made = [place for place, wanted in enumerate(LOOKS) if wanted <= seeds]
    return made[-1] if made else None


def spent(alpha: float, information: float) -> float:
    """How much of a one-sided error rate is used up at a share of the whole information, in (0, 1]."""
    return float(2 * ndtr(ndtri(alpha / 2) / np.sqrt(information)))


@lru_cache(maxsize=16)
def levels(alpha: float, looks: tuple[int, ...] = LOOKS) -> tuple[float, ...]:
    """The one-sided significance level of each look.

    Args:
        alpha: the chance that any look rejects, if nothing has changed.
        looks: numbers of seeds, ascending; the last has all the information.
    """
    information = [look / looks[-1] for look in looks]
    used = np.diff([0.0, *(spent(alpha, share) for share in information)])
    found, walk = [], _Walk()
    for share, chance in zip(information, used, strict=True):
        bound = walk.bound(share, float(chance))
        found.append(float(ndtr(-bound)))
        walk = walk.past(share, bound)
    return tuple(found)


class _Walk:
    """A Brownian motion that has stayed below the bounds so far: its density on a grid."""

    def __init__(self, share: float = 0.0, grid: Array | None = None, mass: Array | None = None) -> None:
        self._share = share
        self._grid = np.zeros(1) if grid is None else grid
        self._mass = np.ones(1) if mass is None else mass
        """Density times the weights of the integration."""

    def bound(self, share: float, chance: float) -> float:
        """The standardised bound that it now crosses with this chance for the first time."""
        step, root = np.sqrt(share - self._share), np.sqrt(share)

        def surplus(bound: float) -> float:
            return float(np.log(self._mass @ ndtr((self._grid - bound * root) / step)) - np.log(chance))

        # It lies between those of all that is left and of a test that was looked at once, with room for both.
        return float(brentq(surplus, -REACH, float(-ndtri(chance)) + 1.0, xtol=1e-12))

    def past(self, share: float, bound: float) -> _Walk:
        """The motion at this share of the information, where it did not cross."""
        root, step = np.sqrt(share), np.sqrt(share - self._share)
        grid = np.linspace(-REACH * root, bound * root, STEPS + 1)
        weights = np.full(STEPS + 1, 2.0)
        weights[1::2], weights[[0, -1]] = 4.0, 1.0  # Simpson's rule
        weights *= (grid[1] - grid[0]) / 3
        apart = (grid[:, None] - self._grid) / step
        density = np.exp(-(apart**2) / 2) @ self._mass / (step * np.sqrt(2 * np.pi))
        return _Walk(share, grid, weights * density)
