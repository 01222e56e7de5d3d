"""The page put together: first what was compared and what came out, then everything that it rests on."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from typing import Any

from clbench.report.document import flat, limits, seeds_words, subset_words
from clbench.report.drift_tables import SECTION as DRIFT
from clbench.report.figures.drawing import Drawn
from clbench.report.page.cells import ShownTable, shown, shown_table
from clbench.report.page.links import of_metric
from clbench.report.page.pictures import NO_PICTURES, Picture, Pictures
from clbench.report.page.verdict import compared
from clbench.report.table import Table, stamped, stamps_of
from clbench.report.tables import all_tables
from clbench.results.model import BaselineSummary, Summary
from clbench.results.records import RESERVED
from clbench.results.rows import COLUMNS, Row
from clbench.results.stat import Stat

MOST_BYTES = 3_000_000
"""Packed rows beyond this stay in ``rows.csv`` alone, so that a page is never over 5 MB."""


@dataclass(frozen=True)
class Part:
    """A section of the page."""

    title: str
    slug: str
    figures: tuple[dict[str, str], ...] = ()
    pictures: tuple[Picture, ...] = ()
    maps: tuple[ShownTable, ...] = ()
    tables: tuple[ShownTable, ...] = ()
    entries: tuple[tuple[str, str], ...] = ()
    command: str = ""
    words: str = ""


def html_page(
    summary: Summary, figures: Sequence[Drawn], packed: str, verdict: Sequence[str],
    pictures: Pictures = NO_PICTURES,
) -> str:  # fmt: skip
    """The whole page.

    Args:
        summary: what is shown.
        figures: all figures.
        packed: every measurement, as ``packed_rows`` gives them.
        verdict: what came out and how sure that is, in sentences.
        pictures: of cases, if there are any.
    """
    from jinja2 import Environment, StrictUndefined

    folder = files(__package__)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string((folder / "template.html").read_text("utf-8"))
    return template.render(
        page=_page(summary, figures, verdict, pictures, linked=bool(packed)), rows=packed,
        style=(folder / "style.css").read_text("utf-8"), script=(folder / "page.js").read_text("utf-8"),
    )  # fmt: skip


def packed_rows(rows: Iterable[Row]) -> str:
    """All rows as tab-separated text, gzipped, in base64; empty if that is too large for a page."""
    kept = [COLUMNS.index(name) for name in COLUMNS if name not in ("benchmark", "version")]
    lines = ["\t".join(COLUMNS[k] for k in kept)]
    for row in rows:
        values = [getattr(row, COLUMNS[k]) for k in kept]
        lines.append("\t".join("" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
                               for value in values))  # fmt: skip
    packed = base64.b64encode(gzip.compress("\n".join(lines).encode(), mtime=0)).decode()
    return packed if len(packed) <= MOST_BYTES else ""


def _page(
    summary: Summary, figures: Sequence[Drawn], verdict: Sequence[str], pictures: Pictures, linked: bool
) -> dict[str, Any]:
    info = summary.benchmark
    return {
        "name": info.name, "title": info.title, "version": info.version, "seeds": seeds_words(info.seeds),
        "orders": info.orders, "targets": ", ".join(info.targets), "subset": subset_words(info),
        "compared": compared(summary),
        "verdict": verdict, "limits": limits(summary), "overview": _overview(summary),
        "parts": _parts(summary, figures, pictures),
        "footer": "Every measurement is in rows.csv, every number in summary.json, every table in tables/ and every "
        "figure in figures/ beside this page."
        + ("" if linked else " Its numbers have no links: the rows are too many."),
    }  # fmt: skip


def _parts(summary: Summary, figures: Sequence[Drawn], pictures: Pictures) -> list[Part]:
    forgetting = _drawings(figures, "Forgetting")
    command = str(summary.provenance.get("command", f"clbench run {summary.benchmark.name}"))
    sections = groupby(all_tables(summary), key=lambda table: table.section)
    return [
        *([Part("Forgetting", "forgetting", figures=forgetting)] if forgetting else []),
        *_picture_parts(pictures),
        *(_table_part(title, members, summary, _drawings(figures, title)) for title, members in sections),
        *_drift_part(summary),
        Part("Provenance", "provenance", entries=tuple(flat(summary.provenance))),
        Part("Reproduce", "reproduce", command=command, words="The same command goes on with a run that stopped."),
    ]


def _table_part(title: str, members: Iterable[Table], summary: Summary, figures: tuple[dict[str, str], ...]) -> Part:
    tables, maps = tuple(shown_table(table, summary) for table in members), title == "Stage by task"
    return Part(
        title, title.lower().replace(" ", "-"), figures=figures,
        maps=tables if maps else (), tables=() if maps else tables,
    )  # fmt: skip


def _drift_part(summary: Summary) -> list[Part]:
    """Why drift is not shown; its table says itself what is missing of it."""
    words = "" if summary.drift.points else summary.drift.words
    return [Part(DRIFT, "representation-drift", words=words)] if words else []


def _picture_parts(pictures: Pictures) -> list[Part]:
    drawn = pictures.drawn()
    return [Part("Pictures", "pictures", pictures=drawn, words=pictures.note)] if drawn else []


def _drawings(figures: Sequence[Drawn], section: str) -> tuple[dict[str, str], ...]:
    return tuple(
        {"title": one.title, "note": one.note, "svg": one.inline(), "width": f"{one.figure.get_figwidth():.1f}in"}
        for one in figures
        if one.section == section
    )


def _overview(summary: Summary) -> dict[str, Any]:
    shown_ones = () if summary.benchmark.whole else summary.baselines
    ordered = sorted(shown_ones, key=lambda entry: -(entry.final.mean.mean if entry.final.mean else -1))
    return {
        "headers": ("final Dice", "BWT", "learning accuracy"),
        "lines": [_overview_line(summary, entry) for entry in ordered],
        "note": "The bar is the mean, the band its 95 % interval over cases and, if there are several, seeds. "
        "A bound is no way to learn one task after another: it has all tasks' cases, or a network for each task. "
        "BWT is what earlier tasks lost (negative) "
        "from right after learning to the end; learning accuracy is the mean Dice right after learning. "
        "A click on a number shows the measurements that it comes from.",
    }


def _overview_line(summary: Summary, entry: BaselineSummary) -> dict[str, Any]:
    mean = entry.final.mean
    numbers = (("mean", mean), *(
        (word, value if entry.staged else "")
        for word, value in (("BWT", entry.metrics.backward_transfer), ("LA", entry.metrics.learning_accuracy))
    ))  # fmt: skip
    cells = [
        shown(value, 3, query=of_metric(summary, entry, word, at_end=word == "mean")) for word, value in numbers
    ]
    low, high = _band(mean)
    return {
        "baseline": entry.name, "stamp": stamps_of(stamped(entry)),
        "value": "" if mean is None else f"{mean.mean:.9g}",
        "bound": entry.name in RESERVED, "left": None if mean is None else round(100 * mean.mean, 1),
        "low": low, "wide": round(high - low, 1), "cells": cells,
    }  # fmt: skip


def _band(mean: Stat | None) -> tuple[float, float]:
    """Ends of the interval around a mean, in percent of the track."""
    if mean is None or mean.interval is None:
        return 0.0, 0.0
    return round(100 * mean.interval.low, 1), round(100 * mean.interval.high, 1)
