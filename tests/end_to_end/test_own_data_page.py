"""What docs/own-data.md tells to type works when it is typed, on the datasets that the page makes."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clbench.store import file_digest
from pages import Page

PAGE = Page.named("docs/own-data.md")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory, undisturbed: Any) -> Iterator[Any]:
    """A folder in which the page was typed from top to bottom, but for the run that takes a week."""
    program = undisturbed.program_in(tmp_path_factory.mktemp("typed"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("nnUNet_raw", str(program.folder / "nnUNet_raw"))
        for command in PAGE.followed(program, without="run hospital"):  # takes a week
            if command.line.startswith("python "):
                (program.folder / "before.txt").write_text(_raw_files(program.folder))
        yield program


def test_the_datasets_tasks_are_measured_under_their_labels(typed: Any) -> None:
    rows = list(csv.DictReader((typed.folder / "reports/first-look/rows.csv").read_text().splitlines()))
    found = {(row["protocol"], row["task"], row["label"]) for row in rows if row["protocol"] != "from-scratch"}
    assert found == {
        ("continual", "liver", "liver"), ("continual", "spleen", "spleen"),
        ("transfer", "vessels", "vessel"), ("transfer", "vessels", "tumour"),
    }  # fmt: skip
    assert {row["baseline"] for row in rows} == {"from-scratch", "finetune", "ewc", "lwf", "replay"}
    assert {row["case"] for row in rows} == {"patient_4", "patient_5"}


def _raw_files(folder: Path) -> str:
    """Every file of the datasets with its checksum and time of change."""
    files = sorted(file for file in (folder / "nnUNet_raw").rglob("*") if file.is_file())
    return "\n".join(f"{file} {file_digest(file)} {file.stat().st_mtime_ns}" for file in files)


def test_the_datasets_stay_as_they_are(typed: Any) -> None:
    before = (typed.folder / "before.txt").read_text()
    assert len(before.splitlines()) == 3 * 13
    assert _raw_files(typed.folder) == before


def test_the_report_tells_the_held_out_classes_apart_as_the_page_says(typed: Any) -> None:
    report = (typed.folder / "reports/first-look/report.md").read_text()
    assert all(f"### Transfer to {label} of vessels: Dice over epochs" in report for label in ("vessel", "tumour"))


def test_every_file_that_the_page_names_was_written(typed: Any) -> None:
    cells = re.findall(r"^\| (`my-suite/.*?) \|", PAGE.text, re.MULTILINE)
    names = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    assert len(names) == 4
    assert all(any(typed.folder.glob(f"my-suite/**/{Path(name).name}")) for name in names)
    assert typed("validate", "--suite", "my-suite").code == 0
