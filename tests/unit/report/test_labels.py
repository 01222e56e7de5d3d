"""A held-out task with two labels: the report tells them apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clbench.report.document import report_page, terminal_report
from clbench.report.tables import all_tables
from clbench.results import Summary, summarise

from .conftest import TARGET, rows_of
from .test_schedules import INFO

CURVES = {
    ("from-scratch", "vessel"): {5: 0.25, 25: 0.5}, ("from-scratch", "tumour"): {5: 0.125, 25: 0.25},
    ("blip_strict", "vessel"): {5: 0.5, 25: 0.625}, ("blip_strict", "tumour"): {5: None, 25: 0.75},
}  # fmt: skip


@pytest.fixture
def summary() -> Summary:
    """Two backbones; the tumour has no Dice at an early epoch."""
    info = replace(INFO, tuned=("blip_strict",), schedules=())
    rows = [
        replace(row, label=label)
        for (name, label), curve in CURVES.items()
        for epoch, dice in curve.items()
        for row in rows_of("transfer", name, 0, 4, TARGET, epoch, TARGET, dice)
    ]
    return summarise(info, rows, [], {})


def _cells(summary: Summary, slug: str) -> list[list[object]]:
    (table,) = [one for one in all_tables(summary) if one.slug == slug]
    return [[getattr(cell, "mean", cell) for cell in row] for row in table.rows]


def test_each_label_of_a_held_out_task_has_a_table_with_its_own_dice_and_gain(summary: Summary) -> None:
    assert _cells(summary, "transfer-mini-vessel-vessel") == [
        ["from-scratch", 0.25, 0.5, "", ""], ["blip_strict", 0.5, 0.625, 0.25, 0.125],
    ]  # fmt: skip
    assert _cells(summary, "transfer-mini-vessel-tumour") == [
        ["from-scratch", 0.125, 0.25, "", ""], ["blip_strict", None, 0.75, None, 0.5],
    ]  # fmt: skip
    assert _cells(summary, "transfer-mini-vessel")[0][2] == (0.5 + 0.25) / 2


def test_a_labels_numbers_have_intervals_over_its_own_cases(summary: Summary) -> None:
    (tumour, vessel) = summary.transfer_by_label
    assert (tumour.label, vessel.label) == ("tumour", "vessel")
    last = next(point for point in vessel.points if (point.baseline, point.epoch) == ("blip_strict", 25))
    assert last.dice is not None
    assert last.dice.interval is not None
    assert last.dice.interval.low < 0.625 < last.dice.interval.high


def test_page_and_terminal_name_task_and_label(summary: Summary) -> None:
    assert "### Transfer to vessel of mini-vessel: Dice over epochs" in report_page(summary)
    assert "Transfer to tumour of mini-vessel: Dice over epochs" in terminal_report(summary)


def test_a_task_with_one_label_has_no_table_of_labels(summary: Summary, toy: object) -> None:
    assert toy().transfer_by_label == ()  # type: ignore[operator]
