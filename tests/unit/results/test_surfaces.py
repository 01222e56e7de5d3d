"""Surface metrics of a run: means at the end, and how many values the rule for empties gave."""

from __future__ import annotations

from dataclasses import replace

from clbench.report.tables import all_tables
from clbench.results import BaselineInfo, BenchmarkInfo, Row, Summary, summarise

SEQUENCE = ("liver", "lung")
INFO = BenchmarkInfo(
    "toy", 1, "A toy", SEQUENCE, (), (0, 1),
    (BaselineInfo("from-scratch", "alone"), BaselineInfo("finetune", "plain")), (), (SEQUENCE,),
)  # fmt: skip
ROW = Row("toy", 1, "continual", "finetune", 0, 1, 1, "liver", 1.0, 9, "liver", "a", "organ", "dice", 0.5)


def measured(row: Row, nsd: float | None, hd95: float | None, predicted: float = 1.0) -> list[Row]:
    values = {"dice": nsd, "nsd": nsd, "hd95_mm": hd95, "predicted_ml": predicted, "reference_ml": 1.0}
    return [replace(row, metric=metric, value=value) for metric, value in values.items()]


def rows(metrics: tuple[str, ...] = ("dice", "nsd", "hd95_mm", "predicted_ml", "reference_ml")) -> list[Row]:
    """Under seed 1 the liver's case b is missed at the end; under seed 0 its case b is undefined."""
    found: list[Row] = []
    for seed in (0, 1):
        first, last = replace(ROW, seed=seed), replace(ROW, seed=seed, stage=2, trained_on="lung")
        found += measured(first, 1.0, 1.0)
        found += measured(last, 0.25, 8.0)
        found += measured(replace(last, case="b"), *((None, None, 0.0) if seed == 0 else (0.0, 100.0, 0.0)))
        found += measured(replace(last, task="lung"), 0.75, 2.0)
        for task in SEQUENCE:
            alone = replace(ROW, seed=seed, protocol="from-scratch", baseline="from-scratch", task=task)
            found += measured(replace(alone, trained_on=task), 1.0, 0.0)
    return [_without_reference(row) for row in found if row.metric in metrics]


def _without_reference(row: Row) -> Row:
    """Case b has no reference under seed 0."""
    empty = (row.seed, row.case, row.metric) == (0, "b", "reference_ml")
    return replace(row, value=0.0) if empty else row


def summary(*metrics: str) -> Summary:
    return summarise(INFO, rows(*((metrics,) if metrics else ())), (), {})


def test_a_reading_is_the_mean_over_cases_with_the_last_network_and_leaves_out_what_is_undefined():
    scratch, finetune = summary().surfaces
    assert [stat.mean for stat in finetune.nsd] == [(0.25 + 0.125) / 2, 0.75]
    assert [stat.mean for stat in finetune.hd95_mm] == [(8 + 54) / 2, 2.0]
    assert [stat.mean for stat in scratch.nsd] == [1.0, 1.0]


def test_values_that_the_rule_for_one_empty_mask_gave_are_counted():
    scratch, finetune = summary().surfaces
    assert finetune.one_empty == (1, 0)
    assert scratch.one_empty == (0, 0)


def test_only_a_run_that_asked_for_surface_metrics_has_their_tables():
    plain = summary("dice", "predicted_ml", "reference_ml")
    assert plain.surfaces == ()
    assert not [table for table in all_tables(plain) if table.section == "Surface metrics"]
    slugs = [table.slug for table in all_tables(summary()) if table.section == "Surface metrics"]
    assert slugs == ["surface-nsd", "surface-hd95"]
    alone = summary("dice", "nsd", "predicted_ml", "reference_ml")
    assert [table.slug for table in all_tables(alone) if "surface" in table.slug] == ["surface-nsd"]


def test_surface_metrics_change_no_number_that_is_there_without_them():
    with_them, without = summary(), summary("dice", "predicted_ml", "reference_ml")
    measured = {"surfaces": (), "case_metrics": without.case_metrics}
    assert with_them.model_copy(update=measured) == without
