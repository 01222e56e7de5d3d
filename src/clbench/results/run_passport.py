"""The metric passport of a run: every variant from the run's own matrices, the bounds it ran as references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from clbench.results.matrix import Vector
from clbench.results.model import CaseMetric, PassportLine
from clbench.results.passport import PASSPORT, Finished, Variant
from clbench.results.records import STAGED, BenchmarkInfo, Replicate
from clbench.results.rows import Row
from clbench.results.scores import ByReplicate, Scores, after_stage, beside, final, over_replicates
from clbench.results.stat import Stat


def run_passport(info: BenchmarkInfo, scores: Mapping[str, ByReplicate]) -> tuple[PassportLine, ...]:
    """Every variant for every baseline that learns stage by stage, computed per replicate and averaged.

    Args:
        info: the baselines and replicates.
        scores: what each baseline reached in each replicate.
    """
    staged = [entry for entry in info.baselines if entry.protocol in STAGED]
    finished = {
        entry.name: [_finished(scores, entry.name, pair) for pair in info.replicates(entry.protocol)]
        for entry in staged
    }
    return tuple(_line(variant, finished) for variant in PASSPORT)


def case_metrics(rows: Iterable[Row]) -> tuple[CaseMetric, ...]:
    """How often each metric of a case was measured, and how often it is undefined."""
    measured: Counter[str] = Counter()
    undefined: Counter[str] = Counter()
    for row in rows:
        measured[row.metric] += 1
        undefined[row.metric] += row.value is None
    return tuple(
        CaseMetric(name=name, measured=measured[name], undefined=undefined[name]) for name in sorted(measured)
    )


def _line(variant: Variant, finished: Mapping[str, list[Finished]]) -> PassportLine:
    values: dict[str, Stat | None] = {
        name: over_replicates([variant.compute(one) for one in replicates]) for name, replicates in finished.items()
    }
    return PassportLine(
        family=variant.family, name=variant.name, formula=variant.formula, better=variant.better,
        source=variant.source, values=values,
    )  # fmt: skip


def _finished(scores: Mapping[str, ByReplicate], name: str, pair: Replicate) -> Finished:
    """One replicate's matrix with what ran beside it under the same seed, tasks in the order of learning."""
    mine = scores[name][pair]
    sequential, scratch, cumulative, joint, equal = (
        beside(scores.get(other, {}), pair)
        for other in ("finetune", "from-scratch", "cumulative", "joint", "joint-equal")
    )
    joint = joint or equal
    return Finished(
        matrix=mine.dice,
        finetune=sequential.dice if sequential else None,
        scratch=_own(scratch, mine),
        cumulative=_own(cumulative, mine),
        joint=final(joint, mine.tasks).dice if joint else None,
        cases=tuple(len(entry) for entry in mine.cases[-1]),
    )


def _own(other: Scores | None, mine: Scores) -> Vector | None:
    return after_stage(other, mine.tasks).dice if other else None
