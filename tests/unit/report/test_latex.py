"""LaTeX tables: whole by their structure, and compiled as they are by a real LaTeX where one is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from clbench.report.render import latex
from clbench.report.table import Table
from clbench.report.tables import all_tables
from clbench.results import Summary

Toy = Callable[..., Summary]
NASTY = Table(
    title="Names & signs\nof 100 %",
    slug="nasty",
    headers=("a_b [x=1]", "↑ ↓ → ≥ ≤ ± × Σ Ω", "{}", "$x$ #1 ~ ^ \\ | <>"),
    rows=(("[Ω_all] “quoted” … −1", 0.5, None, "é í ł"), ("emoji 🙂 漢", -0.25, "", "’")),
    note="note % with { and \\",
    text_columns=1,
)


@pytest.fixture
def tables(toy: Toy) -> list[Table]:
    """All tables of a report with two seeds, a hole, an inert baseline, and one of odd signs."""
    reason = "OSError: [Errno 28] 100 % full & “no” ~ space_left 🙂"
    return [*all_tables(toy(seeds=(0, 1), absent=(("finetune", 3),), reason=reason)), NASTY]


def test_every_tables_braces_environments_and_columns_are_balanced(tables: list[Table]) -> None:
    for table in tables:
        text = "\n".join(line for line in latex(table).splitlines() if not line.startswith("%"))
        assert re.findall(r"\\(begin|end)\{tabular\}", text) == ["begin", "end"], table.slug
        depth = [len(re.findall(rf"(?<!\\)\{sign}", text)) for sign in "{}"]
        assert depth[0] == depth[1], table.slug
        lines = [line for line in text.splitlines() if line.rstrip().endswith("\\\\")]
        assert len(lines) == len(table.rows) + 1, table.slug
        for line in lines:
            assert len(re.findall(r"(?<!\\)&", line)) == len(table.headers) - 1, (table.slug, line)


def test_no_table_has_a_sign_that_latex_has_no_letter_for(tables: list[Table]) -> None:
    for table in tables:
        strange = {sign for sign in latex(table) if not sign.isascii() and not (sign.isalpha() and sign <= "ſ")}
        assert strange == set(), table.slug


def test_the_signs_of_a_reports_own_tables_are_all_known(toy: Toy) -> None:
    for table in all_tables(toy(seeds=(0, 1))):
        body = [line for line in latex(table).splitlines() if not line.startswith("%")]
        assert "?" not in "".join(body), table.slug


def test_every_table_compiles_as_it_is(tables: list[Table], tmp_path: Path) -> None:
    program = shutil.which("pdflatex")
    if program is None:
        pytest.skip("needs a LaTeX: apt-get install texlive-latex-base texlive-latex-recommended")
    for table in tables:
        (tmp_path / f"{table.slug}.tex").write_text(latex(table), encoding="utf-8")
    inputs = "\n".join(rf"\noindent\input{{{table.slug}}}\clearpage" for table in tables)
    page = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{inputs}\end{{document}}"
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    done = subprocess.run(
        [program, "-halt-on-error", "-interaction=nonstopmode", "page.tex"], cwd=tmp_path, capture_output=True,
    )  # fmt: skip
    log = (tmp_path / "page.log").read_text("utf-8", errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert "Missing character" not in log
    assert f"({len(tables)} pages" in log.replace("\n", "")
