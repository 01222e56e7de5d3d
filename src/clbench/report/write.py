"""The report's files: written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clbench.report.document import report_page
from clbench.report.render import comma_separated, latex, markdown
from clbench.report.table import Table
from clbench.report.tables import all_tables
from clbench.results.model import Summary
from clbench.store import write_atomic

SUMMARY = "summary.json"
FORMS: Mapping[str, Callable[[Table], str]] = {"md": markdown, "csv": comma_separated, "tex": latex}
"""Ending of a table's file → what is in it."""


def write_report(folder: Path, summary: Summary, provenance: Mapping[str, Any]) -> Summary:
    """Write ``summary.json``, ``report.md`` and ``tables/<slug>.{md,csv,tex}`` into a run's folder.

    Args:
        folder: the run's folder; made if it is not there.
        summary: what the report shows.
        provenance: where the numbers come from, JSON-able; ``command`` is what reproduces them.

    Returns:
        The summary with its provenance, as it was written.
    """
    whole = summary.model_copy(update={"provenance": dict(provenance)})
    tables = all_tables(whole)
    _write_tables(folder / "tables", tables)
    write_atomic(folder / SUMMARY, (whole.model_dump_json(indent=1) + "\n").encode("utf-8"))
    write_atomic(folder / "report.md", report_page(whole).encode("utf-8"))
    return whole


def read_summary(path: Path) -> Summary:
    """Read a ``summary.json``.

    Raises:
        pydantic.ValidationError: it is none.
    """
    return Summary.model_validate_json(path.read_bytes())


def _write_tables(folder: Path, tables: Sequence[Table]) -> None:
    forms = [(table, *form) for table in tables for form in FORMS.items()]
    written = {f"{table.slug}.{ending}": render(table) for table, ending, render in forms}
    for name, text in written.items():
        write_atomic(folder / name, text.encode("utf-8"))
    _remove_outdated(folder, set(written))


def _remove_outdated(folder: Path, current: set[str]) -> None:
    """Delete tables that only an earlier report had: a list of missing results would contradict this one."""
    for path in folder.iterdir():
        if path.suffix.removeprefix(".") in FORMS and path.name not in current:
            path.unlink()
