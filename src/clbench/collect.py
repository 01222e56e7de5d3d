"""From a plan and the store to what a report is made of: rows, costs, evidence, and what is missing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product

from clbench.definitions.models import Resolved, Transfer
from clbench.definitions.protocols import tuned
from clbench.errors import CorruptArtifact
from clbench.execute.watch import last_lines
from clbench.plan import Job, Plan, Use
from clbench.results.arrays import SHORT, JobArrays
from clbench.results.records import BaselineInfo, BenchmarkInfo, Hole, StageRecord
from clbench.results.rows import Row
from clbench.store import Json, Store

ONE_PATIENT = (
    "The embedded cases are deformations of one patient's abdomen and one patient's chest. They show learning and "
    "forgetting; they can't show generalisation to new patients, nor what few training cases cost."
)
SPEED_NOT_HEIGHT = (
    "These data can show that a trained backbone learns the held-out task sooner, not that it ends up better: read "
    "transfer as Dice over epochs, and don't compare training fractions."
)
PROTOCOL_TITLES = {
    "from-scratch": "each task alone, from a fresh network",
    "joint": "all tasks at once, as many iterations as the whole sequence",
    "joint-equal": "all tasks at once, as many iterations as one stage",
    "cumulative": "one task after another, every stage with the cases and the iterations of all tasks so far",
}


@dataclass(frozen=True)
class Collected:
    """What the finished jobs of a plan say.

    Attributes:
        rows: every measurement, once for each use of its job.
        records: cost and evidence of every stage that is reported.
        missing: why a result is not there.
        monitored: what was measured within stages.
        arithmetic: the arithmetic that each finished job had → how many had it.
        arrays: digests of what each finished job made, in the plan's order.
    """

    rows: tuple[Row, ...]
    records: tuple[StageRecord, ...]
    missing: Mapping[Hole, str]
    monitored: tuple[Row, ...] = ()
    arithmetic: Mapping[str, int] = field(default_factory=dict)
    arrays: tuple[JobArrays, ...] = ()


def benchmark_info(resolved: Resolved) -> BenchmarkInfo:
    """How the report names and orders things, and what it must not be read as."""
    benchmark, protocols = resolved.benchmark, resolved.benchmark.protocols
    names = [] if protocols.from_scratch is None else ["from-scratch"]
    if protocols.joint is not None:
        names += ["joint" if budget == "full" else "joint-equal" for budget in protocols.joint.budgets]
    names += [] if protocols.cumulative is None else ["cumulative"]
    baselines = [BaselineInfo(name, PROTOCOL_TITLES[name]) for name in names]
    if protocols.continual is not None:
        baselines += [BaselineInfo(variant.name, variant.title) for variant in resolved.baselines]
    embedded = any(card.source.kind == "anatomy" for card in resolved.tasks.values())
    targets = () if protocols.transfer is None else protocols.transfer.targets
    caveats = (ONE_PATIENT, *((SPEED_NOT_HEIGHT,) if targets else ())) if embedded else ()
    return BenchmarkInfo(
        benchmark.name, benchmark.version, benchmark.title, benchmark.sequence, targets, benchmark.seeds,
        tuple(baselines), caveats, benchmark.all_orders, _tuned(protocols.transfer, baselines),
        _schedules(protocols.transfer), benchmark.sample.fold == "all",
        benchmark.budget.checkpoint == "best-as-original", resolved.subset_of,
    )  # fmt: skip


def _tuned(transfer: Transfer | None, baselines: list[BaselineInfo]) -> tuple[str, ...]:
    """Every backbone on every schedule: those of the benchmark in its own order, then those from elsewhere."""
    if transfer is None:
        return ()
    own = [baseline.name for baseline in baselines if baseline.name in transfer.backbones]
    backbones = (*own, *(name for name in transfer.backbones if name not in own))
    return tuple(tuned(name, schedule) for name, schedule in product(backbones, transfer.all_schedules))


def _schedules(transfer: Transfer | None) -> tuple[tuple[str, str], ...]:
    """The schedules with what is written of them, in the definition's own words."""
    entries = [] if transfer is None else [entry for entry in transfer.schedules if not isinstance(entry, str)]
    written = [entry.model_dump(exclude_unset=True, exclude={"name"}) for entry in entries]
    words = [", ".join(f"{key} {value}" for key, value in one.items()) for one in written]
    return tuple((entry.name, text or "as plain") for entry, text in zip(entries, words, strict=True))


def collect(plan: Plan, store: Store) -> Collected:
    """Read the results of a plan's jobs; what is not there or damaged is a hole with its reason."""
    results: dict[str, Json | str] = {}
    for job in plan.jobs:  # parents come first
        results[job.id] = _result(plan, job, store, results)
    counts = Counter(use.job for use in plan.uses)
    rows: list[Row] = []
    monitored: list[Row] = []
    records: list[StageRecord] = []
    missing: dict[Hole, list[str]] = defaultdict(list)
    for use in plan.uses:
        result = results[use.job]
        if isinstance(result, str):
            hole = Hole(use.protocol, use.baseline, use.seed, use.order, use.stage)
            missing[hole].append(f"{_what(use)}{result}")
            continue
        rows += _rows(plan, use, result["measurements"])
        monitored += _rows(plan, use, result.get("monitor", ()))
        records.append(_record(use, result, shared=counts[use.job] > 1))
    reasons = {hole: "; ".join(words) for hole, words in missing.items()}
    finished = {id: one for id, one in results.items() if not isinstance(one, str)}
    arithmetic = Counter(str(one.get("arithmetic", "")) for one in finished.values())
    return Collected(tuple(rows), tuple(records), reasons, tuple(monitored), arithmetic, _arrays(plan, finished))


def _arrays(plan: Plan, results: Mapping[str, Json]) -> tuple[JobArrays, ...]:
    """What each finished job made; of a preparation, the preprocessed cases' files."""
    users = {use.job: use.baseline for use in reversed(plan.uses)}
    return tuple(
        JobArrays(
            job=job.title, baseline=users.get(job.id, ""), trace=results[job.id].get("trace"),
            arrays=results[job.id].get("arrays") or _preprocessed(results[job.id]["files"]),
        )
        for job in plan.jobs if job.id in results
    )  # fmt: skip


def _preprocessed(files: Json) -> dict[str, str]:
    return {name: entry["sha256"][:SHORT] for name, entry in files.items() if name.endswith(".b2nd")}


def _result(plan: Plan, job: Job, store: Store, before: Mapping[str, Json | str]) -> Json | str:
    """A job's result, or the words that say why there is none."""
    folder = store.job(job.id)
    try:
        result = folder.read("result")
    except CorruptArtifact as error:
        return f"damaged: {error}"
    if result is not None:
        return result if result.get("evaluation", "") == job.evaluation else "not yet measured by the present code"
    for parent in job.parents:
        if isinstance(before[parent], str):
            return f"needs {plan.job(parent).title}"
    if not folder.log.exists():
        return "not run yet"
    return f"ended with: {''.join(last_lines(folder.log, 1)).strip() or 'nothing'}; see {folder.log}"


def _what(use: Use) -> str:
    """Which of several trainings that a hole may stand for; a stage of a sequence says so itself."""
    if use.protocol not in ("from-scratch", "transfer"):
        return ""
    share = "" if use.fraction == 1.0 else f", {use.fraction:.0%} of the cases"
    return f"{use.trained_on}{share}: "


def _rows(plan: Plan, use: Use, measurements: Iterable[Json]) -> list[Row]:
    assert plan.resolved is not None
    benchmark, subset = plan.resolved.benchmark, plan.resolved.subset_of
    mark = subset.mark if subset else ""
    return [
        Row(
            benchmark=benchmark.name, version=benchmark.version, protocol=use.protocol, baseline=use.baseline,
            seed=use.seed, order=use.order, stage=use.stage, trained_on=use.trained_on, fraction=use.fraction,
            epoch=m["epoch"], task=m["task"], case=m["case"], label=m["label"], metric=m["metric"],
            value=m["value"], subset_of=mark,
        )
        for m in measurements
    ]  # fmt: skip


def _record(use: Use, result: Json, shared: bool) -> StageRecord:
    return StageRecord(
        protocol=use.protocol, baseline=use.baseline, seed=use.seed, order=use.order, stage=use.stage,
        trained_on=use.trained_on, job=use.job, cost=result["cost"], evidence=result["evidence"], shared=shared,
    )  # fmt: skip
