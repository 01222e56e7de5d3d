"""Continual baselines against each other, by the mean of their final Dice over all tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from clbench.results.intervals import CHANGE, interval
from clbench.results.model import Difference, Rank
from clbench.results.records import BenchmarkInfo, Replicate
from clbench.results.resampling import Resampling
from clbench.results.scores import ByReplicate, over_replicates
from clbench.results.statistics import Array, SignedRank, holm, places, signed_rank

SIGNIFICANT = 0.05
ENOUGH_SEEDS = 2
"""One seed says nothing about another, so it ranks nothing."""


@dataclass(frozen=True)
class _Final:
    """One baseline at the end of the sequence."""

    name: str
    cases: Array
    """Dice of every case of every task: (replicates, cases); NaN is a hole."""
    accuracy: Array
    """Mean over tasks, in every draw: (replicates, 1 + draws); NaN where a task is missing."""

    @property
    def there(self) -> NDArray[np.bool_]:
        """Which replicates have all tasks: (replicates,)."""
        return ~np.isnan(self.accuracy[:, 0])


def compare(
    info: BenchmarkInfo, scores: Mapping[str, ByReplicate], resampling: Resampling
) -> tuple[tuple[Difference, ...], tuple[Rank, ...]]:
    """All differences between continual baselines, and their ranks; nothing with one seed.

    Args:
        info: what was run.
        scores: by baseline.
        resampling: draws of the benchmark's cases and seeds.
    """
    if len(info.seeds) < ENOUGH_SEEDS:
        return (), ()
    continual = [entry.name for entry in info.baselines if entry.protocol == "continual"]
    finals = [_final(name, info.sequence, scores[name], resampling) for name in continual]
    present = [final for final in finals if final.there.any()]
    pairs = info.replicates("continual")
    return _differences(present, pairs, resampling), _ranks(present, pairs, resampling)


def _final(name: str, tasks: Sequence[str], scores: ByReplicate, resampling: Resampling) -> _Final:
    by_task, means = [], []
    for task in tasks:
        cases = resampling.cases[task]
        values = np.stack([cases.array(one.cases[-1][one.tasks.index(task)]) for one in scores.values()])
        by_task.append(values)
        means.append(cases.means(values))
    return _Final(name, np.concatenate(by_task, axis=1), np.mean(means, axis=0))


def _differences(
    finals: Sequence[_Final], pairs: Sequence[Replicate], resampling: Resampling
) -> tuple[Difference, ...]:
    held = [pair for pair in map(_ordered, combinations(finals, 2)) if pair is not None]
    tests = [_over_cases(*pair) for pair in held]
    adjusted = holm([test.p for _, test in tests])
    return tuple(
        _difference(pair, pairs, resampling, *test, p_holm)
        for pair, test, p_holm in zip(held, tests, adjusted, strict=True)
    )


def _ordered(pair: tuple[_Final, _Final]) -> tuple[_Final, _Final] | None:
    """The better one first; None where no replicate has both."""
    both = pair[0].there & pair[1].there
    if not both.any():
        return None
    ahead = pair[0].accuracy[both, 0].mean() - pair[1].accuracy[both, 0].mean()
    return pair if ahead >= 0 else (pair[1], pair[0])


def _over_cases(first: _Final, second: _Final) -> tuple[int, SignedRank]:
    """How many cases differ or not, and the test over them, each averaged over the replicates that both have."""
    both = first.there & second.there
    difference = first.cases[both] - second.cases[both]
    defined = ~np.isnan(difference)
    counted = defined.any(axis=0)
    means = np.where(defined, difference, 0.0)[:, counted].sum(axis=0) / defined[:, counted].sum(axis=0)
    return len(means), signed_rank(means)


def _difference(
    pair: tuple[_Final, _Final],
    pairs: Sequence[Replicate],
    resampling: Resampling,
    cases: int,
    test: SignedRank,
    p_holm: float,
) -> Difference:
    values = pair[0].accuracy - pair[1].accuracy
    found = interval(resampling.seeds.over(pairs, values), CHANGE)
    stat = over_replicates([None if np.isnan(value) else float(value) for value in values[:, 0]])
    assert stat is not None
    undecided = found is None or found.seeds < ENOUGH_SEEDS
    return Difference(
        first=pair[0].name,
        second=pair[1].name,
        difference=stat.model_copy(update={"interval": found}),
        cases=cases,
        p=test.p,
        p_holm=p_holm,
        effect=test.effect,
        tie=None if undecided or found is None else found.low <= 0 <= found.high or p_holm >= SIGNIFICANT,
    )


def _ranks(finals: Sequence[_Final], pairs: Sequence[Replicate], resampling: Resampling) -> tuple[Rank, ...]:
    """Over the replicates that all baselines have; none with too few of them or with one case a task."""
    common = np.logical_and.reduce([final.there for final in finals]) if finals else np.zeros(len(pairs), bool)
    shared = [pair for pair, there in zip(pairs, common, strict=True) if there]
    if len(finals) < 2 or len({pair.seed for pair in shared}) < ENOUGH_SEEDS:
        return ()
    drawn = np.stack([resampling.seeds.over(shared, final.accuracy[common]).values for final in finals])
    if np.isnan(drawn).any():
        return ()
    first, ranks = places(drawn[:, 1:])
    ends = np.quantile(ranks, [0.025, 0.975], axis=1, method="inverted_cdf").astype(int)
    found = [
        Rank(baseline=final.name, first=round(float(share), 6), best=int(best), worst=int(worst))
        for final, share, best, worst in zip(finals, first, *ends, strict=True)
    ]
    return tuple(found[place] for place in np.argsort(-drawn[:, 0], kind="stable"))
