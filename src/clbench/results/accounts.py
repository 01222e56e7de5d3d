"""What each baseline cost and what shows that it ran, from the records of its stages."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

from clbench.results.account_model import Cost, Evidence, StageEvidence
from clbench.results.records import BaselineInfo, BenchmarkInfo, StageRecord
from clbench.results.scores import over_replicates


def costs(
    records: Sequence[StageRecord], info: BenchmarkInfo, incomplete: Collection[tuple[str, str, int, int]]
) -> tuple[Cost, ...]:
    """Costs over the sequence, then those of transfer, in display order.

    Args:
        records: every trained stage.
        info: the baselines in display order, and the replicates that were asked for.
        incomplete: protocol, baseline, seed and order of what lacks a stage; its sum would be too small.
    """
    wanted = [(baseline.protocol, baseline.name) for baseline in info.baselines]
    started = dict.fromkeys((record.protocol, record.baseline) for record in records)
    order = dict.fromkeys(("from-scratch", *info.tuned, *(baseline.name for baseline in info.baselines)))
    transfer = [("transfer", name) for name in order if ("transfer", name) in started]
    return tuple(_cost(pair, records, info, incomplete) for pair in [*wanted, *transfer])


def evidence(records: Iterable[StageRecord], baselines: Sequence[BaselineInfo]) -> tuple[Evidence, ...]:
    """The evidence of every baseline that learns stage by stage, in display order."""
    continual = [record for record in records if record.protocol == "continual"]
    return tuple(
        _evidence(baseline.name, [record for record in continual if record.baseline == baseline.name])
        for baseline in baselines
        if baseline.protocol == "continual"
    )


def _cost(
    pair: tuple[str, str],
    records: Sequence[StageRecord],
    info: BenchmarkInfo,
    incomplete: Collection[tuple[str, str, int, int]],
) -> Cost:
    mine = [record for record in records if (record.protocol, record.baseline) == pair]
    complete = [record for record in mine if (*pair, record.seed, record.order) not in incomplete]
    replicates = [
        [record for record in complete if (record.seed, record.order) == replicate]
        for replicate in info.replicates(pair[0])
    ]
    return Cost(
        protocol=pair[0],
        baseline=pair[1],
        train_seconds=over_replicates([_total(stages, "train_seconds") for stages in replicates]),
        shared_seconds=over_replicates([_shared(stages) for stages in replicates]),
        evaluate_seconds=over_replicates([_total(stages, "evaluate_seconds") for stages in replicates]),
        peak_memory_mb=_highest(complete, "peak_memory_mb"),
        kept_cases=_most(complete, "kept_cases"),
        remembered_mb=_highest(complete, "remembered_mb"),
    )


def _total(stages: Sequence[StageRecord], name: str) -> float | None:
    numbers = [stage.cost.get(name) for stage in stages]
    return None if not numbers or None in numbers else math.fsum(n for n in numbers if n is not None)


def _shared(stages: Sequence[StageRecord]) -> float | None:
    if _total(stages, "train_seconds") is None:
        return None
    return math.fsum(stage.cost["train_seconds"] for stage in stages if stage.shared)


def _most(stages: Sequence[StageRecord], name: str) -> int | None:
    found = _highest(stages, name)
    return None if found is None else int(found)


def _highest(stages: Sequence[StageRecord], name: str) -> float | None:
    return max((stage.cost[name] for stage in stages if stage.cost.get(name) is not None), default=None)


def _evidence(baseline: str, records: Sequence[StageRecord]) -> Evidence:
    ordered = sorted(records, key=lambda record: (record.seed, record.order, record.stage))
    stages = tuple(_stage_evidence(one, one.evidence) for one in ordered if one.evidence is not None)
    return Evidence(
        baseline=baseline,
        inert=any(stage.stage > 1 and stage.expected and stage.inert for stage in stages),
        stages=stages,
    )


def _stage_evidence(record: StageRecord, found: dict[str, object]) -> StageEvidence:
    place = {name: getattr(record, name) for name in ("seed", "order", "stage", "trained_on")}
    return StageEvidence.model_validate({**place, **found})
