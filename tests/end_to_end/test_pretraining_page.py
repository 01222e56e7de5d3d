"""What docs/pretraining.md tells to type works when it is typed, and says of its lines what is true."""

from __future__ import annotations

import csv
import re
from typing import Any

import pytest

from pages import Page

PAGE = Page.named("docs/pretraining.md")
SHORTER = {
    "budget: {epochs: 25, epoch: cases": "budget: {epochs: 2, epoch: {iterations: 2}",
    "head_first: 5": "head_first: 1",
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory, undisturbed: Any) -> Any:
    """A folder in which everything of the page was typed, but for the shipped benchmark, with two short epochs."""
    program = undisturbed.program_in(tmp_path_factory.mktemp("typed"))
    assert list(PAGE.followed(program, without="pretrain-finetune", shorter=SHORTER))
    return program


def _rows(typed: Any, run: str) -> list[dict[str, str]]:
    return list(csv.DictReader((typed.folder / "reports" / run / "rows.csv").read_text().splitlines()))


def test_a_pretraining_on_every_case_is_measured_by_its_target_alone(typed: Any) -> None:
    rows = _rows(typed, "my-pretraining")
    assert {row["protocol"] for row in rows} == {"transfer"}
    assert {row["baseline"] for row in rows} == {"from-scratch", "pretrained", "pretrained · head-first"}
    assert {row["task"] for row in rows} == {"mini-kidney"}
    report = (typed.folder / "reports" / "my-pretraining" / "report.md").read_text()
    assert "Trained on with every case (fold all)" in report
    assert "- Schedule `head-first` of the fine-tuning: head_first 1" in report
    assert "## Missing" not in report
    assert "Final Dice" not in report


def test_the_lines_that_the_page_calls_equal_are_equal(typed: Any) -> None:
    rows = _rows(typed, "my-start")
    of = {
        name: [{**row, "baseline": ""} for row in rows if row["baseline"] == name]
        for name in ("pretrained", "exported")
    }
    assert of["pretrained"]
    assert of["pretrained"] == of["exported"]
    report = (typed.folder / "reports" / "my-start" / "report.md").read_text()
    assert re.search(r"checkpoints\..*exported/fold_0/checkpoint_final.pth: sha256 [0-9a-f]{64}", report)
