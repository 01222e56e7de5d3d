"""What docs/ci.md tells to type guards a model: unchanged it passes, a changed strength fails and is named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from pages import Page

CHECK = "clbench reproduce guard --suite guard --strict --markdown guard.md --junit guard.xml"
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Step:
    """A command of the page that ended as the page says, and what it left."""

    command: str
    code: int
    markdown: str
    junit: str


@pytest.fixture(scope="module")
def typed(undisturbed: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Step]]:
    """A folder in which the page was typed from top to bottom, and every command with what came of it."""
    folder = tmp_path_factory.mktemp("typed")
    followed = Page.named("docs/ci.md").followed(undisturbed.program_in(folder))
    files = [folder / "guard.md", folder / "guard.xml"]
    return folder, [
        Step(command.line, command.code, *(file.read_text() if file.exists() else "" for file in files))
        for command in followed
    ]


def test_the_page_checks_three_times_and_the_second_one_fails(typed: tuple[Path, list[Step]]) -> None:
    _, steps = typed
    assert [step.command.split()[1] for step in steps if step.command.startswith("clbench")] == [
        "plan", "run", "reference", "reproduce", "reproduce", "reproduce"
    ]  # fmt: skip
    assert [step.code for step in steps if step.command == CHECK] == [0, 1, 0]


def test_a_changed_strength_is_named_in_the_pull_requests_table_and_nothing_else_is(
    typed: tuple[Path, list[Step]],
) -> None:
    before, broken, after = (step for step in typed[1] if step.command == CHECK)
    first = broken.markdown.partition("<details>")[0]
    assert first.startswith("## guard: drifted\n")
    drifted = [line.split("|") for line in first.splitlines() if "| drifted" in line]
    assert {(cells[1].strip(), cells[2].strip()) for cells in drifted} >= {("our-ewc", "mini-liver")}
    assert {cells[1].strip() for cells in drifted} == {"our-ewc"}
    assert all(re.fullmatch(r"[+-]0\.\d{4}", cells[4].strip()) for cells in drifted)
    for step in (before, after):
        assert step.markdown.startswith("## guard: reproduced\n")
        assert "drifted" not in step.markdown


def test_the_junit_file_has_a_test_for_each_number_and_those_of_the_changed_method_fail(
    typed: tuple[Path, list[Step]],
) -> None:
    before, broken, _ = (ElementTree.fromstring(step.junit) for step in typed[1] if step.command == CHECK)
    failed = {case.get("classname") for case in broken.iter("testcase") if case.find("failure") is not None}
    assert failed == {"our-ewc"}
    assert len(list(before.iter("testcase"))) == len(list(broken.iter("testcase"))) == 4
    assert next(before.iter("failure"), None) is None


def test_the_workflow_runs_the_pages_command_and_the_report_says_that_it_is_a_subset(
    typed: tuple[Path, list[Step]],
) -> None:
    folder, _ = typed
    workflow = yaml.safe_load((folder / ".github/workflows/guard.yaml").read_text())
    assert CHECK in [step.get("run") for step in workflow["jobs"]["guard"]["steps"]]
    report = "\n".join((folder / "reports/guard/report.md").read_text().splitlines()[:6])
    assert "SUBSET: this is a subset of mini-organs v1: fewer tasks (2 of 4), fewer epochs (4 of 25)" in report
    assert (folder / "guard/reports/reference/guard/rows.csv.gz").stat().st_size < 50_000
