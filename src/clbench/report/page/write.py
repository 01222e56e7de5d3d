"""The page's files, drawn anew only when something in them would change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from clbench.report.figures.drawing import Drawn
from clbench.report.figures.monitor import monitor_figures
from clbench.report.figures.sequence import forgetting_figures, plane_figures
from clbench.report.figures.transfer import transfer_figures
from clbench.report.page.page import html_page
from clbench.report.page.pictures import NO_PICTURES, Pictures
from clbench.report.page.verdict import verdict
from clbench.results.model import Summary
from clbench.results.rows import Row
from clbench.store import write_atomic

PAGE = "report.html"
SOURCES = (".py", ".html", ".css", ".js")


def write_page(folder: Path, summary: Summary, rows: Sequence[Row], pictures: Pictures = NO_PICTURES) -> None:
    """Write ``report.html`` and ``figures/<slug>.{svg,pdf}`` into a run's folder.

    Args:
        folder: the run's folder.
        summary: what is shown, with its provenance.
        rows: every measurement.
        pictures: of cases, if there are any.
    """
    mark = f"<!-- made from {_digest(summary, rows, pictures.mark)} -->\n"
    page = folder / PAGE
    if page.is_file() and page.read_text("utf-8").endswith(mark):
        return
    figures = all_figures(summary)
    for figure in figures:
        write_atomic(folder / "figures" / f"{figure.slug}.svg", figure.file("svg"))
        write_atomic(folder / "figures" / f"{figure.slug}.pdf", figure.file("pdf"))
    _remove_outdated(folder / "figures", {figure.slug for figure in figures})
    write_atomic(page, (html_page(summary, figures, rows, verdict(summary), pictures) + "\n" + mark).encode("utf-8"))


def all_figures(summary: Summary) -> list[Drawn]:
    """Every figure of a report in its order."""
    sequence = [*forgetting_figures(summary), *monitor_figures(summary), *plane_figures(summary)]
    return [*sequence, *transfer_figures(summary)]


def _digest(summary: Summary, rows: Sequence[Row], pictures: str) -> str:
    """Of everything that the page shows and of everything that draws it."""
    digest = hashlib.sha256(summary.model_dump_json().encode("utf-8"))
    digest.update(repr(rows).encode("utf-8"))
    digest.update(pictures.encode("utf-8"))
    drawing = (path for path in Path(__file__).parents[1].rglob("*") if path.suffix in SOURCES)
    for path in sorted(drawing):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _remove_outdated(folder: Path, current: set[str]) -> None:
    """Delete figures that only an earlier report had."""
    for path in folder.glob("*"):
        if path.suffix in (".svg", ".pdf") and path.stem not in current:
            path.unlink()
