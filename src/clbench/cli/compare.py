"""compare, reference: whether numbers come out again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import click

from clbench.cli.options import (
    PATH,
    json_option,
    out_option,
)
from clbench.errors import MissingEnvironment
from clbench.references import keep, read_measured
from clbench.report.reproduction import junit, markdown, text
from clbench.results.reproduction import Reproduction, reproduction

Mode = Literal["exact", "statistical"]

margin_option = click.option(
    "--margin", default=0.02, show_default=True, type=click.FloatRange(min=0, min_open=True),
    help="How much lower a mean Dice may be and still count as reproduced.",
)  # fmt: skip
markdown_option = click.option(
    "--markdown", "markdown_file", type=PATH, metavar="FILE", help="Also write all of it as Markdown."
)
junit_option = click.option(
    "--junit", "junit_file", type=PATH, metavar="FILE", help="Also write all of it as JUnit XML."
)


@click.command("compare")
@click.argument("run_folder", metavar="RUN", type=PATH)
@click.argument("reference", type=PATH)
@margin_option
@click.option("--mode", type=click.Choice(["exact", "statistical"]),
              help="To the bit, or within the margin.  [default: to the bit where machine and versions are the same]")
@markdown_option
@junit_option
@json_option
def compare_command(
    run_folder: Path, reference: Path, margin: float, mode: Mode | None, markdown_file: Path | None,
    junit_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Hold the run in folder RUN against REFERENCE, another run's folder or one of reports/reference.

    Exit code 1 if a number drifted or is missing; what is inconclusive is said, and is no failure.
    """
    found = reproduction(read_measured(run_folder), read_measured(reference), margin, mode)
    forms: list[tuple[Path | None, Callable[[Reproduction], str]]] = [(markdown_file, markdown), (junit_file, junit)]
    for file, form in forms:
        if file is not None:
            file.write_text(form(found), encoding="utf-8")
    click.echo(found.model_dump_json(indent=1) if as_json else text(found))
    sys.exit(1 if found.verdict in ("drifted", "missing") else 0)


@click.command("reference")
@click.argument("run_folder", metavar="RUN", type=PATH)
@out_option
def reference_command(run_folder: Path, out: Path | None) -> None:
    """Keep what the run in folder RUN measured as a reference.

    It goes to reports/reference/BENCHMARK unless --out names another folder.

    A verdict on other machines needs at least three seeds; five are better.
    """
    measured = read_measured(run_folder)
    if measured.summary.missing:
        holes = len(measured.summary.missing)
        raise MissingEnvironment(f"{run_folder}: {holes} results are missing; finish it first")
    folder = out or Path("reports") / "reference" / measured.summary.benchmark.name
    keep(measured, folder)
    click.echo(f"{folder}: {len(measured.rows)} measurements, seeds {measured.summary.benchmark.seeds}")
