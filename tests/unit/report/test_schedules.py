"""A backbone on several schedules, and a sequence of which nothing is held out, as the report shows them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clbench.report.document import report_page, terminal_report
from clbench.report.page.write import write_page
from clbench.report.tables import all_tables
from clbench.results import BaselineInfo, BenchmarkInfo, Summary, summarise

from .conftest import SEQUENCE, TARGET, records_of, rows_of

INFO = BenchmarkInfo(
    "toy", 1, "A toy", SEQUENCE, (TARGET,), (0,), (BaselineInfo("blip_strict", "BLIP"),), (), (SEQUENCE,),
    tuned=("blip_strict", "blip_strict · short", "theirs"), schedules=(("short", "epochs 5"),), whole=True,
)  # fmt: skip
CURVES = {
    "theirs": {5: 0.5, 25: 0.75}, "blip_strict · short": {5: 0.625}, "blip_strict": {5: 0.375, 25: 0.5},
    "from-scratch": {5: 0.25, 25: 0.5},
}  # fmt: skip


def summary_of(info: BenchmarkInfo) -> Summary:
    """Curves of every fine-tuning, and records of the sequence's stages without a measurement."""
    rows = [
        row
        for name, curve in CURVES.items()
        for epoch, dice in curve.items()
        for row in rows_of("transfer", name, 0, 4, TARGET, epoch, TARGET, dice)
    ]
    records = [one for one in records_of(0, (), ("blip_strict",)) if one.baseline == "blip_strict"]
    return summarise(info, rows, records, {})


@pytest.fixture
def summary() -> Summary:
    """The toy whose sequence is trained on whole."""
    return summary_of(INFO)


def test_the_page_of_a_sequence_that_is_not_measured_sends_its_reader_to_transfer(
    summary: Summary, tmp_path: Path
) -> None:
    write_page(tmp_path, summary, [])
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "3 tasks were learnt with every case they have, so nothing of them is measured; the 3 fine-tunings" in page
    assert "final Dice" not in page


def test_each_schedule_is_a_line_of_its_own_that_ends_where_its_training_does(summary: Summary) -> None:
    (table,) = [one for one in all_tables(summary) if one.slug == "transfer-mini-vessel"]
    cells = [[getattr(cell, "mean", cell) for cell in row] for row in table.rows]
    assert cells == [
        ["from-scratch", 0.25, 0.5, "", ""],
        ["blip_strict INERT", 0.375, 0.5, 0.125, 0.0],
        ["blip_strict INERT · short", 0.625, "", 0.375, ""],
        ["theirs", 0.5, 0.75, 0.25, 0.25],
    ]


def test_what_nothing_is_held_out_of_has_no_table_and_no_hole(summary: Summary) -> None:
    assert not summary.missing
    shown = {table.section for table in all_tables(summary)}
    assert shown == {"Transfer", "Predicted volume", "Cost", "Evidence"}
    assert not any("mini-liver" in table.headers for table in all_tables(summary))
    assert "Final Dice" not in terminal_report(summary)
    assert "Trained on with every case" in report_page(summary)
    assert "- Schedule `short` of the fine-tuning: epochs 5" in report_page(summary)


def test_the_same_rows_of_a_sequence_that_should_be_measured_are_full_of_holes() -> None:
    summary = summary_of(replace(INFO, whole=False))
    assert [(one.baseline, one.stage) for one in summary.missing] == [("blip_strict", n) for n in (1, 2, 3)]


