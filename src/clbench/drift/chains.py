"""The sequences of a plan whose networks are compared with one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from clbench.plan import Job, Plan, Use
from clbench.results.records import STAGED

Place = tuple[str, int, int, int]
"""Baseline, seed, order and stage."""


@dataclass(frozen=True)
class Chain:
    """One training of a sequence.

    Attributes:
        uses: its stages, the first one first.
        jobs: what trains them.
        tasks: in the order in which they are learnt, one a stage.
    """

    uses: tuple[Use, ...]
    jobs: tuple[Job, ...]
    tasks: tuple[str, ...]

    @property
    def title(self) -> str:
        """For people."""
        order = f", order {self.uses[0].order}" if self.uses[0].order > 1 else ""
        return f"{self.uses[0].baseline}, seed {self.uses[0].seed}{order}"

    @property
    def places(self) -> dict[Place, str]:
        """By baseline, seed, order and stage, the job that trains it."""
        return {(use.baseline, use.seed, use.order, use.stage): use.job for use in self.uses}


def chains_of(plan: Plan, baselines: Collection[str] = (), seed: int | None = None) -> list[Chain]:
    """The sequences of a plan that have a later stage; none where no case is held out that could be looked at.

    Args:
        plan: the run's.
        baselines: those that are wanted; all if none is named.
        seed: the one that is wanted; all if None.
    """
    assert plan.resolved is not None
    orders = plan.resolved.benchmark.all_orders
    if plan.resolved.benchmark.sample.fold == "all":
        return []
    found: dict[tuple[str, int, int], list[Use]] = defaultdict(list)
    for use in plan.uses:
        wanted = (not baselines or use.baseline in baselines) and seed in (None, use.seed)
        if use.protocol in STAGED and wanted:
            found[use.baseline, use.seed, use.order].append(use)
    stages = {key: tuple(sorted(uses, key=lambda use: use.stage)) for key, uses in found.items() if len(uses) > 1}
    return [
        Chain(uses, tuple(plan.job(use.job) for use in uses), orders[key[2] - 1]) for key, uses in stages.items()
    ]
