"""What the documentation names is there."""

from __future__ import annotations

import re

import pytest

from pages import ROOT, Page

PAGES = ["README.md", *sorted(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md"))]
PYTHON = re.compile(r"(?<![\w./-])[\w./-]*\w\.py\b")
FOLDERS = ("src", "tests", "docs", "tasks")


@pytest.mark.parametrize("name", PAGES)
def test_every_python_file_that_a_page_names_is_there_or_on_the_page(name: str) -> None:
    page = Page.named(name)
    there = {f"/{file.relative_to(ROOT)}" for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")}
    there |= {f"/{file}" for file in [*page.files, *Page.named("README.md").files]}
    named = set(PYTHON.findall(page.text))
    assert [file for file in sorted(named) if not any(path.endswith(f"/{file}") for path in there)] == []


def test_the_map_of_the_source_names_every_folder_of_it_and_nothing_else() -> None:
    block = Page.named("docs/architecture.md").text.partition("\nsrc/clbench/\n")[2].partition("```")[0]
    folders = {file.parent.name for file in (ROOT / "src" / "clbench").glob("*/__init__.py")}
    assert set(re.findall(r"^  (\w+)/ ", block, re.MULTILINE)) == folders
