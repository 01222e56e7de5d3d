"""Rows and runs of a shrunk definition carry its mark, and stand beside nothing that they could be taken for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clbench.definitions.subset import Subset
from clbench.errors import ClbenchError
from clbench.references import keep, read_measured
from clbench.report.document import report_page, terminal_report
from clbench.report.page.page import html_page
from clbench.results import COLUMNS, BaselineInfo, BenchmarkInfo, Row, read_rows, summarise, write_rows
from clbench.results.mixing import apart
from clbench.results.reproduction import Measured, reproduction

TASKS = ("liver", "lung")
FULL = BenchmarkInfo("toy", 1, "A toy", TASKS, (), (0,), (BaselineInfo("finetune", "fine-tuning"),), (), (TASKS,))
SUBSET = Subset(name="toy", version=1, smaller=("fewer epochs (5 of 25)",))
SMALL = replace(FULL, name="toy-ci", subset_of=SUBSET)
WORDS = "a subset of toy v1: fewer epochs (5 of 25); not comparable with it"


def rows(info: BenchmarkInfo) -> Iterator[Row]:
    for stage, task, case in ((1, "liver", "a"), (2, "liver", "a"), (2, "lung", "b")):
        place = (info.name, info.version, "continual", "finetune", 0, 1, stage, TASKS[stage - 1], 1.0, 5, task, case)
        yield Row(*place, "organ", "dice", 0.5, info.mark)


def measured(info: BenchmarkInfo) -> Measured:
    found = tuple(rows(info))
    return Measured(summarise(info, found, (), {}), found)


def test_every_row_of_a_subset_says_of_what_and_comes_back_from_its_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", rows(SMALL))
    header, *lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert header == ",".join((*COLUMNS, "subset_of"))
    assert all(line.endswith(",toy v1") for line in lines)
    assert set(read_rows(tmp_path / "rows.csv")) == set(rows(SMALL))


def test_rows_of_a_whole_definition_have_no_such_column(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", rows(FULL))
    assert (tmp_path / "rows.csv").read_text().splitlines()[0] == ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("info", "other"), [(SMALL, replace(SMALL, subset_of=None)), (replace(FULL, name="toy-ci"), SMALL)]
)
def test_rows_without_the_mark_are_in_no_report_of_a_subset_nor_the_other_way(
    info: BenchmarkInfo, other: BenchmarkInfo
) -> None:
    with pytest.raises(ClbenchError, match=r"in a report of toy-ci v1, which shows rows of "):
        summarise(info, tuple(rows(other)), (), {})


def test_summary_report_page_and_terminal_say_first_that_it_is_a_subset() -> None:
    summary = measured(SMALL).summary
    assert summary.model_dump(mode="json")["benchmark"]["subset_of"]["smaller"] == ["fewer epochs (5 of 25)"]
    assert WORDS in "\n".join(report_page(summary).splitlines()[:6])
    assert WORDS in "\n".join(terminal_report(summary).splitlines()[:3])
    page = html_page(summary, (), "", ())
    assert WORDS in page[: page.index("<nav")]


def test_a_whole_definition_is_called_no_subset_anywhere() -> None:
    summary = measured(FULL).summary
    assert not any("subset" in text.lower() for text in (report_page(summary), terminal_report(summary)))
    assert 'class="subset"' not in html_page(summary, (), "", ())


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (replace(FULL, version=2), "numbers of version 1 and version 2 of toy mean different things"),
        (SMALL, f"toy-ci v1 is {WORDS}"),
        (replace(FULL, name="original", as_original=True), "original v1 is AS-ORIGINAL"),
        (replace(FULL, name="another"), ""),
        (replace(FULL, seeds=(5, 6)), ""),
    ],
)
def test_what_must_not_stand_beside_a_run_and_why(other: BenchmarkInfo, reason: str) -> None:
    for found in (apart(FULL, other), apart(other, FULL)):
        assert found.startswith(reason)
        assert bool(found) == bool(reason)


def test_two_subsets_of_one_definition_are_not_mixed_either() -> None:
    assert apart(SMALL, replace(SMALL, name="toy-smaller"))
    assert not apart(SMALL, SMALL)
    less = SUBSET.model_copy(update={"smaller": ("fewer epochs (1 of 25)",)})
    assert apart(SMALL, replace(SMALL, subset_of=less))


def test_a_subset_is_never_held_against_the_whole_and_the_message_says_what_is_less() -> None:
    for run, reference in ((SMALL, FULL), (FULL, SMALL)):
        with pytest.raises(ClbenchError, match=r"fewer epochs \(5 of 25\)"):
            reproduction(measured(run), measured(reference), 0.02)


def test_a_reference_from_before_there_was_a_mark_is_still_read_and_compared(tmp_path: Path) -> None:
    old = replace(SMALL, subset_of=None)
    keep(measured(old), tmp_path)
    text = (tmp_path / "summary.json").read_text()
    (tmp_path / "summary.json").write_text(text.replace(',\n  "subset_of": null', ""))
    assert "subset_of" not in (tmp_path / "summary.json").read_text()
    (tmp_path / "checksums.json").unlink()  # nor were there any of these
    found = reproduction(measured(SMALL), read_measured(tmp_path), 0.02)
    assert (found.mode, set(found.counts)) == ("exact", {"reproduced"})


def test_the_reference_of_the_whole_is_not_replaced_by_that_of_a_subset(tmp_path: Path) -> None:
    keep(measured(FULL), tmp_path)
    before = (tmp_path / "summary.json").read_bytes()
    with pytest.raises(ClbenchError, match=r"holds the reference of toy v1, and this run is of toy-ci v1 \(.*subset"):
        keep(measured(SMALL), tmp_path)
    assert (tmp_path / "summary.json").read_bytes() == before
    keep(measured(replace(FULL, version=2)), tmp_path)
