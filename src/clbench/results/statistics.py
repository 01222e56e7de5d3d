"""Tests between baselines, on plain arrays.

Written out here because ``scipy.stats``, which they are tested against, takes most of a second to import.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EXACT_UP_TO = 50
"""Most differences of which the signed-rank test counts all signs; beyond it takes the normal limit."""


class SignedRank(NamedTuple):
    """What Wilcoxon's signed-rank test says of paired differences."""

    p: float
    """Two-sided."""
    effect: float
    """Matched-pairs rank-biserial correlation, the share of rank sum above zero less that below; 0 without ranks."""


def signed_rank(differences: Sequence[float] | Array) -> SignedRank:
    """Wilcoxon's signed-rank test that paired differences are symmetric about zero.

    Differences of zero are left out, equal ones share their mean rank. Exact given the ranks up to
    ``EXACT_UP_TO`` differences, also with ties; the normal limit with the ties' variance beyond.

    Args:
        differences: one per pair, finite; may be none.

    Source: Wilcoxon 1945; the effect as in Kerby 2014.
    """
    kept = np.asarray(differences, dtype=np.float64)
    kept = kept[kept != 0]
    if not kept.size:
        return SignedRank(1.0, 0.0)
    ranks = mean_ranks(np.abs(kept))
    above, total = float(ranks[kept > 0].sum()), float(ranks.sum())
    p = _exact_p(ranks, above) if kept.size <= EXACT_UP_TO else _normal_p(ranks, above)
    return SignedRank(p, 2 * above / total - 1)


def mean_ranks(values: Array) -> Array:
    """Ranks from 1 for the smallest; equal values share the mean of theirs.

    Args:
        values: (n,).
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    ranks: Array = (last - (count - 1) / 2)[place]
    return ranks


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down correction: p-values that hold for the whole family, in the order of ``p``.

    Source: Holm 1979.
    """
    order = np.argsort(p, kind="stable")
    stepped = np.asarray(p, dtype=np.float64)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return tuple(float(one) for one in adjusted)


def places(scores: Array) -> tuple[Array, NDArray[np.int64]]:
    """Who comes first and at which rank everyone stands, in each of many draws.

    Args:
        scores: (baselines, draws), higher is better.

    Returns:
        The share of the draws in which each comes first, where those at the top share the draw; and ranks
        (baselines, draws), 1 plus how many are better.
    """
    at_top = scores == scores.max(axis=0)
    ranks = np.stack([1 + (scores > own).sum(axis=0) for own in scores])
    return (at_top / at_top.sum(axis=0)).mean(axis=1), ranks


def _exact_p(ranks: Array, above: float) -> float:
    """Over all signs; ranks are doubled because shared ones are halves."""
    doubled = np.rint(2 * ranks).astype(int)
    chance = np.zeros(doubled.sum() + 1)
    chance[0] = 1.0
    for rank in doubled:
        chance[rank:] = (chance[rank:] + chance[: chance.size - rank]) / 2
        chance[:rank] /= 2
    at = round(2 * above)
    return float(min(1.0, 2 * min(chance[: at + 1].sum(), chance[at:].sum())))


def _normal_p(ranks: Array, above: float) -> float:
    deviation = math.sqrt(float((ranks**2).sum()) / 4)
    return math.erfc(abs(above - float(ranks.sum()) / 2) / deviation / math.sqrt(2))
