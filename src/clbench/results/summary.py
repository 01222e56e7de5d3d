"""From rows, records and holes to the summary that every table is drawn from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from clbench.errors import ClbenchError
from clbench.results.accounts import costs, evidence
from clbench.results.continual import average_accuracy, gap_closed
from clbench.results.matrix import Vector, reference_ml
from clbench.results.model import (
    BaselineInfo,
    BaselineSummary,
    BenchmarkInfo,
    Hole,
    Metrics,
    Missing,
    StageRecord,
    Stat,
    Summary,
    TransferPoint,
)
from clbench.results.rows import Row
from clbench.results.scores import (
    SCORERS,
    Scores,
    after_stage,
    each_over_seeds,
    final,
    over_seeds,
    reading,
    sequence_metrics,
)
from clbench.results.transfer import transfer_points

Runs = Mapping[tuple[str, str, int], Sequence[Row]]
"""Protocol, baseline and seed → their rows."""

BySeed = Mapping[int, Scores]
"""Seed → what one baseline reached under it."""

UNEXPLAINED = "there is no result and no failed job; the run was not carried through"


def summarise(
    info: BenchmarkInfo, rows: Iterable[Row], records: Sequence[StageRecord], missing: Mapping[Hole, str]
) -> Summary:
    """Everything that a report shows, as data.

    Args:
        info: what was run and in which order it is shown.
        rows: all rows of the run.
        records: cost and evidence of every stage that is done.
        missing: why a stage has no result; empty stages of the sequence that are not named here are found.

    Raises:
        ClbenchError: rows of another benchmark or version, or of an unknown baseline, task, seed or order.
    """
    table = tuple(rows)
    _check(info, table)
    runs = _by_run(table)
    holes = {**missing, **_unexplained(info, runs, missing)}
    proof = evidence(records, info.baselines)
    return Summary(
        benchmark=info,
        gap_reference=_gap_reference(info),
        baselines=_baselines(info, runs, {entry.baseline for entry in proof if entry.inert}),
        reference_ml=_reference_volumes(info, table),
        transfer=_transfer(info, table, holes),
        costs=costs(records, info.baselines, info.seeds, {hole[:3] for hole in holes}),
        evidence=proof,
        missing=tuple(_missing(hole, holes[hole]) for hole in sorted(holes)),
    )


def _check(info: BenchmarkInfo, rows: Sequence[Row]) -> None:
    known: dict[str, set[str] | set[int]] = {
        "benchmark": {info.name},
        "version": {info.version},
        "seed": set(info.seeds),
        "order": {1},
        "baseline": {"from-scratch", *(baseline.name for baseline in info.baselines)},
        "task": {*info.sequence, *info.targets},
    }
    for column, values in known.items():
        strange = {getattr(row, column) for row in rows} - values
        if strange:
            found, wanted = (", ".join(sorted(map(str, group))) for group in (strange, values))
            report = f"a report of {info.name} v{info.version}"
            raise ClbenchError(f"rows of {column} {found} in {report}, which shows {wanted} only")


def _by_run(rows: Iterable[Row]) -> Runs:
    runs: dict[tuple[str, str, int], list[Row]] = defaultdict(list)
    for row in rows:
        runs[row.protocol, row.baseline, row.seed].append(row)
    return runs


def _unexplained(info: BenchmarkInfo, runs: Runs, missing: Mapping[Hole, str]) -> dict[Hole, str]:
    """Stages of the sequence without a row and without a reason."""
    expected = [(entry.protocol, entry.name, seed) for entry in info.baselines for seed in info.seeds]
    found = [hole for run in expected for hole in _empty_stages(run, runs.get(run, ()), info.sequence)]
    # Trainings without stages are all of stage 1, so one reason may stand for several of them.
    explained = {hole if hole[0] == "continual" else hole[:3] for hole in missing}
    return {hole: UNEXPLAINED for hole in found if explained.isdisjoint((hole, hole[:3]))}


def _empty_stages(run: tuple[str, str, int], rows: Sequence[Row], sequence: Sequence[str]) -> list[Hole]:
    if run[0] == "continual":
        present = {row.stage for row in rows}
        return [(*run, stage) for stage in range(1, len(sequence) + 1) if stage not in present]
    own = {row.task for row in rows if row.task in row.trained_on.split("+")}
    return [] if own.issuperset(sequence) else [(*run, 1)]


def _missing(hole: Hole, reason: str) -> Missing:
    protocol, baseline, seed, stage = hole
    return Missing(protocol=protocol, baseline=baseline, seed=seed, stage=stage, reason=reason)


def _gap_reference(info: BenchmarkInfo) -> str | None:
    """By what was asked for, not by what came out: a failed job must not change what a number means."""
    names = {baseline.name for baseline in info.baselines}
    joint = next((name for name in ("joint", "joint-equal") if name in names), None)
    return joint if "finetune" in names else None


def _baselines(info: BenchmarkInfo, runs: Runs, inert: Collection[str]) -> tuple[BaselineSummary, ...]:
    scores = {entry.name: _scores(info, entry, runs) for entry in info.baselines}
    return tuple(_baseline(info, entry, scores, entry.name in inert) for entry in info.baselines)


def _scores(info: BenchmarkInfo, entry: BaselineInfo, runs: Runs) -> BySeed:
    scorer = SCORERS[entry.protocol]
    run = (entry.protocol, entry.name)
    return {seed: scorer(runs.get((*run, seed), ()), info.sequence) for seed in info.seeds}


def _baseline(info: BenchmarkInfo, entry: BaselineInfo, scores: Mapping[str, BySeed], inert: bool) -> BaselineSummary:
    mine = list(scores[entry.name].values())
    return BaselineSummary(
        name=entry.name,
        title=entry.title,
        protocol=entry.protocol,
        inert=inert,
        after_stage=None if entry.protocol == "joint" else reading([after_stage(score) for score in mine]),
        final=reading([final(score) for score in mine]),
        matrix=_matrix(mine) if entry.protocol == "continual" else None,
        metrics=_metrics(info, entry, scores),
    )


def _matrix(scores: Sequence[Scores]) -> tuple[tuple[Stat | None, ...], ...]:
    return tuple(each_over_seeds(lines) for lines in zip(*(score.dice for score in scores), strict=True))


def _metrics(info: BenchmarkInfo, entry: BaselineInfo, scores: Mapping[str, BySeed]) -> Metrics:
    by_seed = [_seed_metrics(info, entry, scores, seed) for seed in info.seeds]
    return Metrics(**{name: over_seeds([one[name] for one in by_seed]) for name in by_seed[0]})


def _seed_metrics(
    info: BenchmarkInfo, entry: BaselineInfo, scores: Mapping[str, BySeed], seed: int
) -> dict[str, float | None]:
    matrix = scores[entry.name][seed].dice
    holes: Vector = (None,) * len(info.sequence)
    scratch = scores["from-scratch"][seed].dice[-1] if "from-scratch" in scores else holes
    bounds = [_accuracy(scores, name, seed) for name in ("finetune", _gap_reference(info))]
    accuracy = average_accuracy(matrix)
    metrics = sequence_metrics(matrix, scratch) if entry.protocol == "continual" else {}
    return {**metrics, "average_accuracy": accuracy, "gap_closed": gap_closed(accuracy, *bounds)}


def _accuracy(scores: Mapping[str, BySeed], name: str | None, seed: int) -> float | None:
    return average_accuracy(scores[name][seed].dice) if name is not None and name in scores else None


def _reference_volumes(info: BenchmarkInfo, rows: Iterable[Row]) -> dict[str, float]:
    """A case has one reference, however often it was measured."""
    distinct = {(row.task, row.case, row.label): row for row in rows if row.metric == "reference_ml"}
    volumes = {
        task: reference_ml([row for key, row in distinct.items() if key[0] == task])
        for task in (*info.sequence, *info.targets)
    }
    return {task: volume for task, volume in volumes.items() if volume is not None}


def _transfer(info: BenchmarkInfo, rows: Sequence[Row], holes: Collection[Hole]) -> tuple[TransferPoint, ...]:
    found = {row.baseline for row in rows if row.protocol == "transfer"}
    expected = found | {hole[1] for hole in holes if hole[0] == "transfer"}
    order = dict.fromkeys(("from-scratch", *(baseline.name for baseline in info.baselines)))
    shown = [name for name in order if name in expected]
    return transfer_points(rows, info.targets, shown, info.seeds)
