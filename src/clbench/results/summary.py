"""From rows, records and holes to the summary that every table is drawn from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from clbench.errors import ClbenchError
from clbench.results.account_model import Missing
from clbench.results.accounts import costs, evidence
from clbench.results.continual import average_accuracy, gap_closed
from clbench.results.labels import label_transfer, with_label_intervals
from clbench.results.matrix import reference_ml
from clbench.results.model import BaselineSummary, Metrics, Summary, SurfaceReading, TransferPoint
from clbench.results.monitor import monitor_points
from clbench.results.records import STAGED, BaselineInfo, BenchmarkInfo, Hole, Replicate, StageRecord
from clbench.results.rows import Row
from clbench.results.run_passport import case_metrics, run_passport
from clbench.results.scores import (
    ByReplicate,
    Place,
    RowsByPlace,
    Scores,
    after_stage,
    beside,
    by_place,
    by_replicate,
    each_over_replicates,
    final,
    over_replicates,
    reading,
    staged_metrics,
)
from clbench.results.stat import Stat
from clbench.results.surfaces import surface_readings
from clbench.results.transfer import transfer_points

UNEXPLAINED = "there is no result and no failed job; the run was not carried through"


def summarise(
    info: BenchmarkInfo, rows: Iterable[Row], records: Sequence[StageRecord], missing: Mapping[Hole, str],
    monitored: Iterable[Row] = (),
) -> Summary:  # fmt: skip
    """Everything that a report shows, as data.

    Args:
        info: what was run and in which order it is shown.
        rows: all rows of the run.
        records: cost and evidence of every stage that is done.
        missing: why a stage has no result; empty stages of the sequence that are not named here are found.
        monitored: what was measured within stages.

    Raises:
        ClbenchError: rows of another benchmark or version, or of an unknown baseline, task, seed or order.
    """
    table = tuple(rows)
    check_rows(info, table)
    places = by_place(table)
    holes = {**missing, **_unexplained(info, places, missing)}
    proof = evidence(records, info.baselines)
    scores = {entry.name: by_replicate(info, entry, places) for entry in info.baselines}
    bare = Summary(
        benchmark=info,
        gap_reference=_gap_reference(info),
        baselines=_baselines(info, scores, {entry.baseline for entry in proof if entry.inert}),
        reference_ml=_reference_volumes(info, table),
        transfer=_transfer(info, table, holes),
        transfer_by_label=label_transfer(table, info.targets, _tuned(info, table, holes), info.seeds),
        costs=costs(records, info, {hole[:4] for hole in holes}),
        evidence=proof,
        missing=tuple(_missing(hole, holes[hole]) for hole in sorted(holes)),
        surfaces=_surfaces(info, places),
        monitor=monitor_points(info, monitored, table),
        passport=() if info.whole else run_passport(info, scores),
        case_metrics=case_metrics(table),
    )
    return _how_sure(bare, scores, table)


def check_rows(info: BenchmarkInfo, rows: Sequence[Row]) -> None:
    """See that rows are of a benchmark.

    Raises:
        ClbenchError: rows of another benchmark or version, or of an unknown baseline, task, seed or order.
    """
    known: dict[str, set[str] | set[int]] = {
        "benchmark": {info.name},
        "version": {info.version},
        "seed": set(info.seeds),
        "order": set(range(1, len(info.orders) + 1)),
        "baseline": {"from-scratch", *(baseline.name for baseline in info.baselines), *info.tuned},
        "task": {*info.sequence, *info.targets},
    }
    for column, values in known.items():
        strange = {getattr(row, column) for row in rows} - values
        if strange:
            found, wanted = (", ".join(sorted(map(str, group))) for group in (strange, values))
            report = f"a report of {info.name} v{info.version}"
            raise ClbenchError(f"rows of {column} {found} in {report}, which shows {wanted} only")
    if strange_marks := {row.subset_of for row in rows} - {info.mark}:
        found, wanted = (mark and f"of a subset of {mark}" for mark in (sorted(strange_marks)[0], info.mark))
        raise ClbenchError(
            f"rows {found or 'without a mark'} in a report of {info.name} v{info.version}, "
            f"which shows rows {wanted or 'of no subset'} only"
        )
    unordered = {row.protocol for row in rows if row.order > 1 and row.protocol not in STAGED}
    if unordered:
        raise ClbenchError(f"rows of a further order of {', '.join(sorted(unordered))}, which is run without one")


def _how_sure(bare: Summary, scores: Mapping[str, ByReplicate], rows: Sequence[Row]) -> Summary:
    """The summary with intervals, differences and ranks."""
    # Here, because numpy is of no use to those who only read a summary.
    from clbench.results.comparison import compare
    from clbench.results.intervals import transfer_with_intervals, with_intervals
    from clbench.results.resampling import Resampling

    info, resampling = bare.benchmark, Resampling(_cases(bare.benchmark, rows), bare.benchmark.seeds)
    differences, ranks = compare(info, scores, resampling)
    return bare.model_copy(
        update={
            "baselines": with_intervals(info, bare.baselines, scores, resampling),
            "transfer": transfer_with_intervals(bare.transfer, rows, info, resampling),
            "transfer_by_label": with_label_intervals(bare.transfer_by_label, rows, info, resampling),
            "differences": differences,
            "ranks": ranks,
        }
    )


def _surfaces(info: BenchmarkInfo, places: RowsByPlace) -> tuple[SurfaceReading, ...]:
    own = {entry.name: entry.protocol for entry in info.baselines}
    found = {
        (place.baseline, Replicate(place.seed, place.order)): rows
        for place, rows in places.items()
        if own.get(place.baseline) == place.protocol
    }
    return surface_readings(info, found)


def _cases(info: BenchmarkInfo, rows: Sequence[Row]) -> dict[str, list[str]]:
    """The measured cases of every task, in the order of their names."""
    pairs = sorted({(row.task, row.case) for row in rows if row.metric == "dice"})
    return {task: [case for owner, case in pairs if owner == task] for task in (*info.sequence, *info.targets)}


def _unexplained(info: BenchmarkInfo, places: RowsByPlace, missing: Mapping[Hole, str]) -> dict[Hole, str]:
    """Stages of the sequence without a row and without a reason."""
    if info.whole:
        return {}
    expected = [
        Place(entry.protocol, entry.name, *pair)
        for entry in info.baselines
        for pair in info.replicates(entry.protocol)
    ]
    found = [hole for place in expected for hole in _empty_stages(place, places.get(place, ()), info.sequence)]
    # Trainings without stages are all of stage 1, so one reason may stand for several of them.
    explained = {hole if hole.protocol in STAGED else hole[:4] for hole in missing}
    return {hole: UNEXPLAINED for hole in found if explained.isdisjoint((hole, hole[:4]))}


def _empty_stages(place: Place, rows: Sequence[Row], tasks: Sequence[str]) -> list[Hole]:
    if place.protocol in STAGED:
        present = {row.stage for row in rows}
        return [Hole(*place, stage) for stage in range(1, len(tasks) + 1) if stage not in present]
    own = {row.task for row in rows if row.task in row.trained_on.split("+")}
    return [] if own.issuperset(tasks) else [Hole(*place, 1)]


def _missing(hole: Hole, reason: str) -> Missing:
    return Missing(**hole._asdict(), reason=reason)


def _gap_reference(info: BenchmarkInfo) -> str | None:
    """By what was asked for, not by what came out: a failed job must not change what a number means."""
    names = {baseline.name for baseline in info.baselines}
    joint = next((name for name in ("joint", "joint-equal") if name in names), None)
    return joint if "finetune" in names else None


def _baselines(
    info: BenchmarkInfo, scores: Mapping[str, ByReplicate], inert: Collection[str]
) -> tuple[BaselineSummary, ...]:
    return tuple(_baseline(info, entry, scores, entry.name in inert) for entry in info.baselines)


def _baseline(
    info: BenchmarkInfo, entry: BaselineInfo, scores: Mapping[str, ByReplicate], inert: bool
) -> BaselineSummary:
    mine, tasks = list(scores[entry.name].values()), info.sequence
    return BaselineSummary(
        name=entry.name,
        title=entry.title,
        protocol=entry.protocol,
        inert=inert,
        after_stage=None if entry.protocol == "joint" else reading([after_stage(score, tasks) for score in mine]),
        final=reading([final(score, tasks) for score in mine]),
        matrices=_matrices(info, scores[entry.name]) if entry.protocol in STAGED else (),
        metrics=_metrics(info, entry, scores),
        as_original=info.as_original,
    )


def _matrices(info: BenchmarkInfo, scores: ByReplicate) -> tuple[tuple[tuple[Stat | None, ...], ...], ...]:
    by_order = [[found for pair, found in scores.items() if pair.order == n + 1] for n in range(len(info.orders))]
    return tuple(
        tuple(each_over_replicates(lines) for lines in zip(*(score.dice for score in seeds), strict=True))
        for seeds in by_order
    )


def _metrics(info: BenchmarkInfo, entry: BaselineInfo, scores: Mapping[str, ByReplicate]) -> Metrics:
    own = [_own_metrics(entry, scores, pair) for pair in info.replicates(entry.protocol)]
    # Fine-tuning has an order, so what is held against it has one number for each, whatever its own protocol.
    gaps = [_gap_closed(info, entry, scores, pair) for pair in info.replicates("continual")]
    together = {name: over_replicates([one[name] for one in own]) for name in own[0]}
    return Metrics(**together, gap_closed=over_replicates(gaps))


def _own_metrics(entry: BaselineInfo, scores: Mapping[str, ByReplicate], pair: Replicate) -> dict[str, float | None]:
    mine = scores[entry.name][pair]
    if entry.protocol not in STAGED:
        return {"average_accuracy": average_accuracy(mine.dice)}
    return staged_metrics(mine, _beside(scores, "from-scratch", pair), _beside(scores, "cumulative", pair))


def _gap_closed(
    info: BenchmarkInfo, entry: BaselineInfo, scores: Mapping[str, ByReplicate], pair: Replicate
) -> float | None:
    found = [_beside(scores, name, pair) for name in (entry.name, "finetune", _gap_reference(info))]
    return gap_closed(*(average_accuracy(score.dice) if score else None for score in found))


def _beside(scores: Mapping[str, ByReplicate], name: str | None, pair: Replicate) -> Scores | None:
    return beside(scores.get(name, {}), pair) if name else None


def _reference_volumes(info: BenchmarkInfo, rows: Iterable[Row]) -> dict[str, float]:
    """A case has one reference, however often it was measured."""
    distinct = {(row.task, row.case, row.label): row for row in rows if row.metric == "reference_ml"}
    volumes = {
        task: reference_ml([row for key, row in distinct.items() if key[0] == task])
        for task in (*info.sequence, *info.targets)
    }
    return {task: volume for task, volume in volumes.items() if volume is not None}


def _transfer(info: BenchmarkInfo, rows: Sequence[Row], holes: Collection[Hole]) -> tuple[TransferPoint, ...]:
    return transfer_points(rows, info.targets, _tuned(info, rows, holes), info.seeds)


def _tuned(info: BenchmarkInfo, rows: Sequence[Row], holes: Collection[Hole]) -> list[str]:
    """The backbones that have a curve, or should have one, in display order."""
    found = {row.baseline for row in rows if row.protocol == "transfer"}
    expected = found | {hole.baseline for hole in holes if hole.protocol == "transfer"}
    order = dict.fromkeys(("from-scratch", *info.tuned, *(baseline.name for baseline in info.baselines)))
    return [name for name in order if name in expected]
