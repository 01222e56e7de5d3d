"""The page's files: figures beside it, the same bytes every time, drawn only when something changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from clbench.report.page.page import packed_rows
from clbench.report.page.write import PACKAGE, SOURCES, all_figures, write_page
from clbench.results import Row, Summary

Toy = Callable[..., Summary]
Rows = Callable[..., list[Row]]


def test_every_figure_is_a_svg_and_a_pdf_and_stands_in_the_page(toy: Toy, toy_rows: Rows, tmp_path: Path) -> None:
    write_page(tmp_path, toy(), toy_rows())
    slugs = {"forgetting", "plasticity-stability", "transfer-mini-vessel"}
    written = {path.name for path in (tmp_path / "figures").iterdir()}
    assert written == {f"{slug}.{ending}" for slug in slugs for ending in ("svg", "pdf")}
    assert (tmp_path / "figures" / "forgetting.pdf").read_bytes().startswith(b"%PDF")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("<svg") == 3
    for figure in all_figures(toy()):
        assert figure.title in page


def test_the_page_names_nothing_that_would_have_to_be_fetched(toy: Toy, toy_rows: Rows, tmp_path: Path) -> None:
    write_page(tmp_path, toy(), toy_rows())
    page = (tmp_path / "report.html").read_text("utf-8")
    for fetching in ("src=", "@import", "url(http", "<link", "fetch("):
        assert fetching not in page


def test_the_same_results_give_the_same_page_and_figures(toy: Toy, toy_rows: Rows, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_page(tmp_path / name, toy(), toy_rows())
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_a_page_is_drawn_again_only_when_something_changed(toy: Toy, toy_rows: Rows, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write_page(tmp_path, toy(), toy_rows())
    os.utime(page, (0, 0))
    write_page(tmp_path, toy(), toy_rows())
    assert page.stat().st_mtime == 0
    write_page(tmp_path, toy(inert=()), toy_rows())
    assert page.stat().st_mtime > 0


def test_a_page_is_drawn_again_with_another_version_of_what_draws_it(
    toy: Toy, toy_rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "report.html"
    write_page(tmp_path, toy(), toy_rows())
    os.utime(page, (0, 0))
    monkeypatch.setattr("clbench.report.page.write.version", {"matplotlib": "0", "jinja2": version("jinja2")}.get)
    write_page(tmp_path, toy(), toy_rows())
    assert page.stat().st_mtime > 0


def test_the_sources_that_decide_a_page_are_in_its_mark() -> None:
    found = {path.relative_to(PACKAGE).as_posix() for pattern in SOURCES for path in PACKAGE.glob(pattern)}
    assert {
        "report/table.py", "report/figures/drawing.py", "report/page/page.js", "report/page/style.css",
        "report/page/template.html", "results/records.py", "definitions/protocols.py",
    } <= found  # fmt: skip


def test_figures_that_only_an_earlier_report_had_are_removed(toy: Toy, toy_rows: Rows, tmp_path: Path) -> None:
    write_page(tmp_path, toy(), toy_rows())
    summary = toy()
    write_page(tmp_path, summary.model_copy(update={"transfer": ()}), toy_rows())
    assert not list((tmp_path / "figures").glob("transfer*"))


def test_rows_that_are_too_many_for_a_page_are_left_out_of_it_and_the_page_says_so(
    toy: Toy, toy_rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clbench.report.page.page.MOST_BYTES", 10)
    write_page(tmp_path, toy(), toy_rows())
    assert packed_rows(toy_rows()) == ""
    assert "the rows are too many" in (tmp_path / "report.html").read_text("utf-8")


def test_no_text_of_a_benchmark_becomes_part_of_the_pages_code(toy: Toy, toy_rows: Rows, tmp_path: Path) -> None:
    text = toy().model_dump_json()
    for word in ("mini-lung", "blip_strict", "organ", toy().benchmark.title):
        text = text.replace(f'"{word}', f'"<i>{word}')

    write_page(tmp_path, Summary.model_validate_json(text), toy_rows())

    page = (tmp_path / "report.html").read_text("utf-8")
    assert "&lt;i&gt;mini-lung" in page
    assert "<i>" not in page
