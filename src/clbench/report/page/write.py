"""The page's files, drawn anew only when something that they are made from has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from clbench.report.figures.drawing import Drawn
from clbench.report.figures.drift import drift_figures
from clbench.report.figures.sequence import forgetting_figures, plane_figures
from clbench.report.figures.transfer import transfer_figures
from clbench.report.page.page import html_page, packed_rows
from clbench.report.page.pictures import NO_PICTURES, Pictures
from clbench.report.page.verdict import verdict
from clbench.results.drift_rows import MapRow
from clbench.results.model import Summary
from clbench.results.rows import Row
from clbench.store import write_atomic

PAGE = "report.html"
PACKAGE = Path(__file__).parents[2]
SOURCES = ("report/**/*.py", "report/**/*.html", "report/**/*.css", "report/**/*.js", "results/*.py",
           "definitions/protocols.py")  # fmt: skip
"""What says how a summary is shown."""
LIBRARIES = ("matplotlib", "jinja2")


def write_page(
    folder: Path, summary: Summary, rows: Sequence[Row], pictures: Pictures = NO_PICTURES, maps: Sequence[MapRow] = ()
) -> None:
    """Write ``report.html`` and ``figures/<slug>.{svg,pdf}`` into a run's folder.

    Args:
        folder: the run's folder.
        summary: what is shown, with its provenance.
        rows: every measurement.
        pictures: of cases, if there are any.
        maps: of features, if drift was measured.
    """
    packed = packed_rows(rows)
    mark = f"<!-- made from {_digest(summary, packed, pictures.mark, repr(maps))} -->\n"
    page = folder / PAGE
    if page.is_file() and page.read_text("utf-8").endswith(mark):
        return
    figures = all_figures(summary, maps)
    for figure in figures:
        write_atomic(folder / "figures" / f"{figure.slug}.svg", figure.file("svg"))
        write_atomic(folder / "figures" / f"{figure.slug}.pdf", figure.file("pdf"))
    _remove_outdated(folder / "figures", {figure.slug for figure in figures})
    made = html_page(summary, figures, packed, verdict(summary), pictures)
    write_atomic(page, f"{made}\n{mark}".encode())


def all_figures(summary: Summary, maps: Sequence[MapRow] = ()) -> list[Drawn]:
    """Every figure of a report in its order; ``maps`` are of features, if drift was measured."""
    sequence = [*forgetting_figures(summary), *plane_figures(summary)]
    return [*sequence, *transfer_figures(summary), *drift_figures(summary, maps)]


def _digest(summary: Summary, packed: str, pictures: str, maps: str) -> str:
    """Of all that the page shows, the sources that draw it, and the versions of what they draw with."""
    versions = " ".join(f"{name} {version(name)}" for name in LIBRARIES)
    shown = (text.encode("utf-8") for text in (summary.model_dump_json(), packed, pictures, maps, versions))
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in (*shown, *_sources()))).hexdigest()


def _sources() -> Iterable[bytes]:
    paths = {path for pattern in SOURCES for path in PACKAGE.glob(pattern)}
    return (path.read_bytes() for path in sorted(paths))


def _remove_outdated(folder: Path, current: set[str]) -> None:
    """Delete figures that only an earlier report had."""
    for path in folder.glob("*"):
        if path.suffix in (".svg", ".pdf") and path.stem not in current:
            path.unlink()
