"""What stands beside the Dice: predicted volumes, costs, evidence and what is missing."""

from __future__ import annotations

from collections.abc import Mapping

from clbench.report.table import Cell, Table, counted, labels, several_orders, slug_of, stamped
from clbench.results.account_model import Cost, Evidence, Missing, StageEvidence
from clbench.results.model import BaselineSummary, Reading, Summary
from clbench.results.records import STAGED


def volume_table(summary: Summary) -> Table:
    """Predicted beside reference volumes."""
    tasks = summary.benchmark.sequence
    reference = ("reference", "", *(summary.reference_ml.get(task) for task in tasks))
    return Table(
        title="Mean predicted volume of a case, ml",
        slug="volume",
        headers=("baseline", "when", *tasks),
        rows=(reference, *(row for entry in summary.baselines for row in _volume_rows(entry))),
        note="Tells a task that was never predicted (nothing after its stage) from one that was forgotten "
        "(something after its stage, little or far too much at the end).",
        section="Predicted volume",
        text_columns=2,
        decimals=1,
        counted=counted(summary),
    )


def excluded_table(summary: Summary) -> Table:
    """How much of each task's Dice is undefined; empty where all of it is defined."""
    rows = [row for entry in summary.baselines for row in _excluded_rows(entry)]
    return Table(
        title="Excluded: reference and prediction both empty",
        slug="excluded",
        headers=("baseline", "when", *summary.benchmark.sequence),
        rows=tuple(rows) if any(any(row[2:]) for row in rows) else (),
        note=f"Pairs of case and label over all {_seeds(summary)} that have no Dice and are in no mean.",
        section="Predicted volume",
        text_columns=2,
    )


def cost_table(summary: Summary) -> Table:
    """What every baseline cost."""
    names = labels(summary)
    numbers = ("training s", "of it shared s", "evaluation s", "peak MB", "kept cases", "remembered MB")
    return Table(
        title="Cost",
        slug="cost",
        headers=("baseline", "part", *numbers),
        rows=tuple(_cost_row(names, cost) for cost in summary.costs),
        note="Seconds are sums over all stages, the other columns the highest of a stage; shared training serves "
        "other lines as well and was paid once, and seconds depend on what else the machine did.",
        section="Cost",
        text_columns=2,
        decimals=1,
        counted=counted(summary),
    )


def evidence_table(summary: Summary) -> Table:
    """Whether every method was at work."""
    names = labels(summary)
    return Table(
        title="Was the method at work?",
        slug="evidence",
        headers=("baseline", "stages with evidence", "expected to act", "inert"),
        rows=tuple(_verdict_row(names, entry) for entry in summary.evidence),
        note=f"Counts the stages from the second on, over all {_seeds(summary)}; a method that was inert where it "
        "should have acted is stamped INERT everywhere, and its line is fine-tuning under another name.",
        section="Evidence",
    )


def evidence_details(summary: Summary) -> list[Table]:
    """The numbers of every baseline that has any."""
    names = labels(summary)
    return [_detail_table(summary, names[entry.baseline], entry) for entry in summary.evidence]


def missing_table(summary: Summary) -> Table:
    """Every hole with its reason."""
    return Table(
        title="Missing results",
        slug="missing",
        headers=("protocol", "baseline", *_place_words(summary), "stage", "reason"),
        rows=tuple(_missing_row(summary, hole) for hole in summary.missing),
        note="Each leaves a “–” in the tables above; no mean counts it as anything.",
        section="Missing",
        text_columns=4 + len(_place_words(summary)),
    )


def _volume_rows(entry: BaselineSummary) -> list[tuple[Cell, ...]]:
    return [(stamped(entry), when, *then.predicted_ml) for when, then in _readings(entry)]


def _excluded_rows(entry: BaselineSummary) -> list[tuple[Cell, ...]]:
    return [(stamped(entry), when, *then.excluded) for when, then in _readings(entry)]


def _readings(entry: BaselineSummary) -> list[tuple[str, Reading]]:
    """What was measured when; without a sequence of stages there is only the end."""
    if entry.after_stage is None or not entry.staged:
        return [("at the end", entry.final)]
    return [("after its stage", entry.after_stage), ("at the end", entry.final)]


def _cost_row(names: Mapping[str, str], cost: Cost) -> tuple[Cell, ...]:
    return (
        names.get(cost.baseline, cost.baseline),
        "transfer" if cost.protocol == "transfer" else "sequence",
        cost.train_seconds,
        cost.shared_seconds,
        cost.evaluate_seconds,
        cost.peak_memory_mb,
        cost.kept_cases,
        cost.remembered_mb,
    )


def _verdict_row(names: Mapping[str, str], entry: Evidence) -> tuple[Cell, ...]:
    later = [stage for stage in entry.stages if stage.stage > 1]
    expected = [stage for stage in later if stage.expected]
    return (names[entry.baseline], len(later), len(expected), sum(stage.inert for stage in expected))


def _detail_table(summary: Summary, label: str, entry: Evidence) -> Table:
    stages = [stage for stage in entry.stages if stage.numbers or stage.expected]
    numbers = list(dict.fromkeys(name for stage in stages for name in stage.numbers))
    return Table(
        title=f"{label}: evidence by stage",
        slug=slug_of("evidence", entry.baseline),
        headers=(f"{label} at", *_place_words(summary), "at work", *numbers),
        rows=tuple(
            (
                f"{stage.stage} {stage.trained_on}",
                *_place_cells(summary, stage.seed, stage.order),
                _verdict(stage),
                *(_evidence_cell(stage.numbers.get(name)) for name in numbers),
            )
            for stage in stages
        ),
        note="What the method itself recorded in each stage.",
        section="Evidence",
        text_columns=2 + len(_place_words(summary)),
    )


def _verdict(stage: StageEvidence) -> str:
    if not stage.expected:
        return "not expected"
    return "no" if stage.inert else "yes"


def _evidence_cell(value: object) -> Cell:
    """Evidence spans many orders of magnitude: three digits say enough, ``summary.json`` says all."""
    if isinstance(value, list | tuple):
        return " ".join(str(_evidence_cell(entry)) for entry in value)
    return f"{value:.3g}" if isinstance(value, float) else None if value is None else str(value)


def _missing_row(summary: Summary, hole: Missing) -> tuple[Cell, ...]:
    tasks = summary.benchmark.orders[hole.order - 1]
    known = hole.protocol in STAGED and 1 <= hole.stage <= len(tasks)
    stage = f"{hole.stage} {tasks[hole.stage - 1]}" if known else str(hole.stage)
    ordered = hole.protocol in (*STAGED, "transfer")
    return (
        hole.protocol,
        labels(summary).get(hole.baseline, hole.baseline),
        *_place_cells(summary, hole.seed, hole.order if ordered else ""),
        stage,
        hole.reason,
    )


def _place_words(summary: Summary) -> tuple[str, ...]:
    return ("seed", "order") if several_orders(summary) else ("seed",)


def _place_cells(summary: Summary, seed: int, order: int | str) -> tuple[Cell, ...]:
    return (str(seed), str(order)) if several_orders(summary) else (str(seed),)


def _seeds(summary: Summary) -> str:
    return "seeds and orders" if several_orders(summary) else "seeds"
