"""How a table looks in each of its forms."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from clbench.report.render import cell_text, comma_separated, latex, markdown, terminal
from clbench.report.table import Cell, Table
from clbench.results import Stat
from clbench.results.stat import Interval


def stat(mean: float, sd: float | None = None, seeds: int = 1, planned: int = 1) -> Stat:
    return Stat(mean=mean, sd=sd, seeds=seeds, planned=planned)


def sure(found: Stat, low: float, high: float, seeds: int) -> Stat:
    return found.model_copy(update={"interval": Interval(low=low, high=high, seeds=seeds)})


def table(*rows: tuple[Cell, ...], headers: tuple[str, ...] = ("baseline", "mini_liver")) -> Table:
    return Table("A title", "slug", headers, rows, "How to read it.")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (0.71249, "0.712"),
        (-0.25, "-0.250"),
        (-0.0001, "0.000"),
        (3, "3"),
        (None, "–"),
        ("", ""),
        ("two\nlines", "two lines"),
        (stat(0.5), "0.500"),
        (stat(0.5, 0.0104, 3, 3), "0.500 ± 0.010"),
        (stat(0.5, 0.0104, 2, 3), "0.500 ± 0.010 (2 of 3)"),
        (stat(0.5, None, 1, 3), "0.500 (1 of 3)"),
        (sure(stat(0.5), 0.4, 0.625, 1), "0.500 [0.40, 0.62]"),
        (sure(stat(0.5, 0.0104, 3, 3), 0.4, 0.6, 3), "0.500 [0.40, 0.60]"),
        (sure(stat(-0.5, 0.0104, 2, 3), -0.6, 0.0, 2), "-0.500 [-0.60, 0.00] (2 of 3)"),
        (sure(stat(0.5, None, 1, 3), 0.4, 0.6, 1), "0.500 [0.40, 0.60] (1 of 3, cases only)"),
    ],
)
def test_a_cell_reads_like_this(cell: Cell, text: str) -> None:
    assert cell_text(cell, 3) == text


def test_latex_escapes_underscores_and_brackets() -> None:
    text = latex(table(("ewc_online[strength=0.1]", 0.5)))
    assert r"ewc\_online{[}strength=0.1{]}" in text
    assert r"mini\_liver" in text


def test_a_latex_line_that_starts_with_a_bracket_is_no_argument_of_the_line_break() -> None:
    lines = latex(table(("[a]", 0.5), ("[b]", 0.5))).splitlines()
    assert not any(line.lstrip().startswith("[") for line in lines)


def test_latex_is_booktabs_in_plain_characters() -> None:
    text = latex(table(("ewc 50% & more", stat(-0.5, 0.1, 2, 3)), ("x", None), headers=("baseline", "BWT ↑")))
    assert text.isascii()
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert r"50\% \& more" in text
    assert r"$-$0.500 $\pm$ 0.100 (2 of 3)" in text
    assert r"BWT $\uparrow$" in text


def test_markdown_keeps_a_bar_in_a_name_inside_its_cell() -> None:
    assert r"a\|b" in markdown(table(("a|b", 0.5)))


def test_a_number_is_shown_with_its_digits_also_where_it_looks_like_a_whole_one() -> None:
    for form in (terminal, markdown, latex):
        assert "1.000" in form(table(("joint", 1.0)))


def test_csv_has_numbers_in_full_and_nothing_for_a_hole() -> None:
    rows = list(csv.reader(io.StringIO(comma_separated(table(("ewc", 0.1 + 0.2), ("lwf", None))))))
    assert rows == [["baseline", "mini_liver"], ["ewc", "0.30000000000000004"], ["lwf", ""]]


def test_a_terminal_shows_the_intervals_of_key_columns_only() -> None:
    cells = sure(stat(0.5, 0.1, 2, 3), 0.4, 0.6, 2), sure(stat(0.7, 0.1, 3, 3), 0.6, 0.8, 3)
    wide = table(("ewc", *cells), headers=("baseline", "liver", "mean"))
    shown = terminal(replace(wide, key_columns=(2,)))
    assert "0.500 (2 of 3)" in shown
    assert "0.700 [0.60, 0.80]" in shown
    assert "0.500 [0.40, 0.60] (2 of 3)" in markdown(wide)


def test_csv_has_the_ends_of_intervals_in_columns_of_their_own() -> None:
    several = sure(stat(0.5, 0.25, 2, 3), 0.25, 0.75, 2)
    text = comma_separated(table(("ewc", several), ("lwf", stat(0.5, 0.125, 3, 3)), ("x", None)))
    assert text.splitlines() == [
        "baseline,mini_liver,mini_liver sd,mini_liver seeds,mini_liver low,mini_liver high",
        "ewc,0.5,0.25,2,0.25,0.75",
        "lwf,0.5,0.125,3,,",
        "x,,,,,",
    ]
    alone = comma_separated(table(("ewc", sure(stat(0.5), 0.25, 0.75, 1))))
    assert alone.splitlines() == ["baseline,mini_liver,mini_liver low,mini_liver high", "ewc,0.5,0.25,0.75"]


def test_latex_keeps_the_brackets_of_an_interval() -> None:
    text = latex(table(("ewc", sure(stat(-0.5), -0.75, -0.25, 1))))
    assert "$-$0.500 {[}$-$0.75, $-$0.25{]}" in text


def test_csv_has_deviation_and_number_of_seeds_in_columns_of_their_own() -> None:
    text = comma_separated(table(("ewc", stat(0.5, 0.25, 2, 3)), ("lwf", None)))
    assert text.splitlines() == [
        "baseline,mini_liver,mini_liver sd,mini_liver seeds",
        "ewc,0.5,0.25,2",
        "lwf,,,",
    ]
