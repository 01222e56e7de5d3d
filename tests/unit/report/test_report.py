"""The report as a whole: its page, its files and its short form."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clbench.report import all_tables, read_summary, report_page, terminal_report, write_report
from clbench.results import Summary

Toy = Callable[..., Summary]
FORBIDDEN = ("torch", "nnunetv2", "monai", "scipy", "pandas", "numpy")


def test_the_short_form_shows_final_then_per_stage_then_transfer_then_the_caveats(toy: Toy) -> None:
    text = terminal_report(toy())
    parts = ("Final Dice", "Per-stage Dice", "Transfer to mini-vessel", "deformations of one patient")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


@pytest.mark.parametrize("form", [terminal_report, report_page])
def test_one_seed_ranks_nothing(toy: Toy, form: Callable[[Summary], str]) -> None:
    assert "one seed: no ranking" in form(toy())
    assert "no ranking" not in form(toy(seeds=(0, 1)))


@pytest.mark.parametrize("form", [terminal_report, report_page])
def test_a_report_prints_the_caveats_and_the_reasons_of_holes(toy: Toy, form: Callable[[Summary], str]) -> None:
    text = form(toy(absent=(("finetune", 2),), reason="killed by the kernel"))
    assert "All cases are deformations of one patient." in text
    assert "killed by the kernel" in text


def test_a_report_says_whether_any_dice_is_undefined(toy: Toy) -> None:
    summary = toy()
    assert "No case was excluded" in terminal_report(summary)
    points = tuple(point.model_copy(update={"excluded": 1}) for point in summary.transfer)
    assert "counted, and in no mean" in terminal_report(summary.model_copy(update={"transfer": points}))


@pytest.mark.parametrize("form", [terminal_report, report_page])
def test_an_inert_baseline_is_explained_only_where_there_is_one(toy: Toy, form: Callable[[Summary], str]) -> None:
    explanation = "INERT: the method had no effect"
    assert explanation in form(toy(inert=("blip_strict",)))
    assert explanation not in form(toy(inert=()))


def test_the_page_has_every_table_with_its_note_and_says_how_to_repeat_it(toy: Toy) -> None:
    summary = toy()
    page = report_page(summary)
    for table in all_tables(summary):
        assert f"### {table.title}\n" in page
        assert table.note in page
    assert "```\nclbench run toy\n```" in page


def test_the_page_spells_out_where_the_numbers_come_from(toy: Toy, tmp_path: Path) -> None:
    provenance = {
        "revision": "abc",
        "packages": {"torch": "2.13.0"},
        "files": ["a", "b"],
        "command": "make bench",
    }
    write_report(tmp_path, toy(), provenance)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    for line in ("- revision: abc", "- packages.torch: 2.13.0", "- files: a, b", "```\nmake bench\n```"):
        assert line in page


def test_every_table_is_written_in_three_forms_beside_page_and_summary(toy: Toy, tmp_path: Path) -> None:
    summary = toy()
    write_report(tmp_path / "run", summary, {})
    found = {path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob("*.*")}
    tables = {f"tables/{one.slug}.{ending}" for one in all_tables(summary) for ending in ("md", "csv", "tex")}
    assert found == {"report.md", "summary.json", *tables}


def test_the_stamp_is_in_every_file_that_names_an_inert_baseline(toy: Toy, tmp_path: Path) -> None:
    write_report(tmp_path, toy(inert=("blip_strict",)), {})
    for path in (tmp_path / "tables").iterdir():
        text = path.read_text(encoding="utf-8").replace("\\_", "_")
        assert text.count("blip_strict") == text.count("blip_strict INERT"), path.name


def test_the_written_summary_is_read_back_with_its_provenance(toy: Toy, tmp_path: Path) -> None:
    summary = toy(seeds=(0, 1), absent=(("finetune", 3),))
    write_report(tmp_path, summary, {"revision": "abc"})
    assert read_summary(tmp_path / "summary.json") == summary.model_copy(update={"provenance": {"revision": "abc"}})


def test_a_second_report_removes_the_tables_that_only_the_first_had(toy: Toy, tmp_path: Path) -> None:
    write_report(tmp_path, toy(absent=(("finetune", 3),)), {})
    assert (tmp_path / "tables" / "missing.md").exists()
    (tmp_path / "tables" / "mine.txt").write_text("a note of the user")
    write_report(tmp_path, toy(), {})
    assert not list((tmp_path / "tables").glob("missing.*"))
    assert (tmp_path / "tables" / "mine.txt").exists()


def test_the_same_summary_gives_the_same_bytes(toy: Toy, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(tmp_path / name, toy(), {})
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_importing_the_report_loads_no_heavy_package() -> None:
    code = f"import sys, clbench.report; print([name for name in {FORBIDDEN!r} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_models_chosen_by_the_reported_cases_are_stamped_and_explained_only_where_there_are_such(
    toy: Toy, tmp_path: Path
) -> None:
    explanation = "AS-ORIGINAL: of every training the model was kept that did best on the very cases"
    for form in (report_page, terminal_report):
        assert explanation in " ".join(form(toy(as_original=True)).split())
        assert "AS-ORIGINAL" not in form(toy())
    write_report(tmp_path, toy(as_original=True), {})
    for path in (tmp_path / "tables").iterdir():
        text = path.read_text()
        assert text.count("blip_strict") == text.count("blip_strict INERT AS-ORIGINAL"), path.name
