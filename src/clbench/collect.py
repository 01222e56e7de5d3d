"""From a plan and the store to what a report is made of: rows, costs, evidence, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from clbench.definitions.models import Resolved
from clbench.errors import CorruptArtifact
from clbench.plan import Job, Plan, Use
from clbench.results.model import BaselineInfo, BenchmarkInfo, Hole, StageRecord
from clbench.results.rows import Row
from clbench.store import Json, Store

ONE_PATIENT = (
    "The embedded cases are deformations of one patient's abdomen and one patient's chest. They show learning and "
    "forgetting; they can't show generalisation to new patients, nor what few training cases cost."
)
SPEED_NOT_HEIGHT = (
    "On these data a trained backbone learns the held-out task sooner, not better: read transfer as Dice over "
    "epochs, and don't compare training fractions."
)
PROTOCOL_TITLES = {
    "from-scratch": "each task alone, from a fresh network",
    "joint": "all tasks at once, as many iterations as the whole sequence",
    "joint-equal": "all tasks at once, as many iterations as one stage",
}


@dataclass(frozen=True)
class Collected:
    """What the finished jobs of a plan say.

    Attributes:
        rows: every measurement, once for each use of its job.
        records: cost and evidence of every stage that is reported.
        missing: why a result is not there.
    """

    rows: tuple[Row, ...]
    records: tuple[StageRecord, ...]
    missing: Mapping[Hole, str]


def benchmark_info(resolved: Resolved) -> BenchmarkInfo:
    """How the report names and orders things, and what it must not be read as."""
    benchmark, protocols = resolved.benchmark, resolved.benchmark.protocols
    names = [] if protocols.from_scratch is None else ["from-scratch"]
    if protocols.joint is not None:
        names += ["joint" if budget == "full" else "joint-equal" for budget in protocols.joint.budgets]
    baselines = [BaselineInfo(name, PROTOCOL_TITLES[name]) for name in names]
    if protocols.continual is not None:
        baselines += [BaselineInfo(variant.name, variant.title) for variant in resolved.baselines]
    embedded = any(card.source.kind == "anatomy" for card in resolved.tasks.values())
    targets = () if protocols.transfer is None else protocols.transfer.targets
    caveats = (ONE_PATIENT, *((SPEED_NOT_HEIGHT,) if targets else ())) if embedded else ()
    return BenchmarkInfo(
        benchmark.name, benchmark.version, benchmark.title, benchmark.sequence, targets, benchmark.seeds,
        tuple(baselines), caveats,
    )  # fmt: skip


def collect(plan: Plan, store: Store) -> Collected:
    """Read the results of a plan's jobs; what is not there or damaged is a hole with its reason."""
    results = {job.id: _result(job, store) for job in plan.jobs if job.kind == "stage"}
    counts = Counter(use.job for use in plan.uses)
    rows: list[Row] = []
    records: list[StageRecord] = []
    missing: dict[Hole, str] = {}
    for use in plan.uses:
        result = results[use.job]
        if isinstance(result, str):
            missing[(use.protocol, use.baseline, use.seed, use.stage)] = result
            continue
        rows += _rows(plan, use, result)
        records.append(_record(use, result, shared=counts[use.job] > 1))
    return Collected(tuple(rows), tuple(records), missing)


def _result(job: Job, store: Store) -> Json | str:
    """A job's result, or the words that say why there is none."""
    try:
        result = store.job(job.id).read("result")
    except CorruptArtifact as error:
        return f"damaged: {error}"
    if result is None or result["evaluation"] != job.evaluation:
        return "not run, or failed" if not store.job(job.id).log.exists() else f"see {store.job(job.id).log}"
    return result


def _rows(plan: Plan, use: Use, result: Json) -> list[Row]:
    assert plan.resolved is not None
    benchmark = plan.resolved.benchmark
    return [
        Row(
            benchmark=benchmark.name, version=benchmark.version, protocol=use.protocol, baseline=use.baseline,
            seed=use.seed, order=use.order, stage=use.stage, trained_on=use.trained_on, fraction=use.fraction,
            epoch=m["epoch"], task=m["task"], case=m["case"], label=m["label"], metric=m["metric"],
            value=m["value"],
        )
        for m in result["measurements"]
    ]  # fmt: skip


def _record(use: Use, result: Json, shared: bool) -> StageRecord:
    return StageRecord(
        protocol=use.protocol, baseline=use.baseline, seed=use.seed, stage=use.stage, trained_on=use.trained_on,
        job=use.job, cost=result["cost"], evidence=result["evidence"], shared=shared,
    )  # fmt: skip
