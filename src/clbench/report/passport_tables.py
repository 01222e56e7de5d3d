"""The metric passport: what every published variant of a metric gives for this run, and how each is computed."""

from __future__ import annotations

from collections.abc import Mapping

from clbench.report.table import Cell, Table, counted, labels, staged
from clbench.results.model import CaseMetric, PassportLine, Summary

SECTION = "Metric passport"

CASE_FORMULAS: Mapping[str, tuple[str, str, str]] = {
    "dice": ("2 TP / (2 TP + FP + FN), per label", "↑", "both empty: no value, in no mean; one empty: 0"),
    "nsd": (
        "area of both surfaces within the task's tolerance of the other / area of both", "↑",
        "both empty: no value, in no mean; one empty: 0",
    ),
    "hd95_mm": (
        "max of the two 95th percentiles of border-to-border distances", "↓",
        "both empty: no value, in no mean; one empty: the image's diagonal",
    ),
    "predicted_ml": ("predicted voxels × volume of a voxel", "", "empty: 0 ml"),
    "reference_ml": ("reference voxels × volume of a voxel", "", "empty: 0 ml"),
}  # fmt: skip
"""Metric of a case → its formula, its direction, and its rule for empties."""


def passport_tables(summary: Summary) -> tuple[Table, ...]:
    """Values of all variants, their formulas, and the metrics of a case."""
    return (*variant_tables(summary), _case_table(summary))


def variant_tables(summary: Summary) -> tuple[Table, Table]:
    """Values of all variants, and their formulas."""
    return _values_table(summary), _formulas_table(summary)


def _values_table(summary: Summary) -> Table:
    names = [entry.name for entry in staged(summary)]
    shown = labels(summary)
    return Table(
        title="One run, every published variant",
        slug="passport",
        headers=("called", "variant", "better", *(shown[name] for name in names)),
        rows=tuple(_values_row(line, names) for line in summary.passport) if names else (),
        note=f"Numbers of one name by different formulas, from the same matrices{_averaged(summary)}. A “–” is a "
        "hole, or a division by a task's Dice of 0. An empty line needs what this run does not have: another "
        "baseline (finetune, from-scratch, joint, cumulative), or scores of tasks that were not learnt yet, which "
        "are never measured.",
        section=SECTION,
        text_columns=3,
        counted=counted(summary),
    )


def _averaged(summary: Summary) -> str:
    several = any(stat and stat.planned > 1 for line in summary.passport for stat in line.values.values())
    words = f", computed for each of the {counted(summary)}, then averaged, ± the standard deviation"
    return words if several else ""


def _values_row(line: PassportLine, names: list[str]) -> tuple[Cell, ...]:
    values = [line.values.get(name) for name in names]
    unknown = all(value is None for value in values)
    return (line.family, line.name, line.better, *(("",) * len(names) if unknown else values))


def _formulas_table(summary: Summary) -> Table:
    return Table(
        title="How each variant is computed",
        slug="passport-formulas",
        headers=("called", "variant", "better", "formula", "source"),
        rows=tuple((line.family, line.name, line.better, line.formula, line.source) for line in summary.passport),
        note="R[i][j] is the mean Dice of task j after stage i, T tasks, n_j cases; a_j: trained alone, a*_j: "
        "cumulative training up to j, J_j: joint training, R_FT: sequential fine-tuning, b_j: an untrained network.",
        section=SECTION,
        text_columns=5,
    )


def _case_table(summary: Summary) -> Table:
    return Table(
        title="What is measured of a case",
        slug="passport-case",
        headers=("metric", "formula", "better", "where nothing is", "rows", "of them undefined"),
        rows=tuple(_case_row(metric) for metric in summary.case_metrics),
        note="A case counts once however many labels it has: mean over its labels, then over cases, then over seeds.",
        section=SECTION,
        text_columns=4,
    )


def _case_row(metric: CaseMetric) -> tuple[Cell, ...]:
    formula, better, empties = CASE_FORMULAS.get(metric.name, ("", "", ""))
    return (metric.name, formula, better, empties, metric.measured, metric.undefined)
