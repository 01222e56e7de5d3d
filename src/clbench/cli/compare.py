"""compare, reference: whether numbers come out again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import click

from clbench.certificate import keep_certificate
from clbench.cli.options import (
    PATH,
    json_option,
    out_option,
)
from clbench.errors import CorruptArtifact, MissingEnvironment
from clbench.references import keep, read_measured
from clbench.report.reproduction import junit, markdown, text
from clbench.results.gate import MARGIN
from clbench.results.pairing import paired
from clbench.results.reproduction import Measured, Reproduction, reproduction
from clbench.run import read_plan

Mode = Literal["exact", "statistical"]

margin_option = click.option(
    "--margin", default=MARGIN, show_default=True, type=click.FloatRange(min=0, min_open=True),
    help="The fall of a mean Dice that a verdict of reproduced excludes, where bits can't be compared.",
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
              help="To the bit, or by paired seeds.  [default: to the bit where machine and versions are the same]")
@markdown_option
@junit_option
@json_option
def compare_command(
    run_folder: Path, reference: Path, margin: float, mode: Mode | None, markdown_file: Path | None,
    junit_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Compare the run in folder RUN with REFERENCE, another run's folder or one of reports/reference.

    Exit code 1 if a number drifted or is missing, or if nothing could be judged: where bits can't be compared, that
    takes three common seeds.
    """
    found = reproduction(read_measured(run_folder), read_measured(reference), margin, mode)
    forms: list[tuple[Path | None, Callable[[Reproduction], str]]] = [(markdown_file, markdown), (junit_file, junit)]
    for file, form in forms:
        if file is not None:
            file.write_text(form(found), encoding="utf-8")
    click.echo(found.model_dump_json(indent=1) if as_json else text(found))
    sys.exit(0 if found.verdict == "reproduced" else 1)


@click.command("reference")
@click.argument("run_folder", metavar="RUN", type=PATH)
@click.option("--paired", "other", type=PATH, metavar="OTHER",
              help="A run of the same seeds under another arithmetic, as on another type of processor: how far "
              "chance moves each number is kept with the reference.")  # fmt: skip
@out_option
def reference_command(run_folder: Path, other: Path | None, out: Path | None) -> None:
    """Keep what the run in folder RUN measured as a reference.

    It goes to reports/reference/BENCHMARK unless --out names another folder.

    A verdict by paired seeds needs at least three of them; with --paired, better of twenty, few are enough later.
    """
    measured = _read_whole(run_folder)
    if other is not None:
        measured = paired(measured, _read_whole(other))
    folder = out or Path("reports") / "reference" / measured.summary.benchmark.name
    keep(measured, folder)
    _keep_certificate(run_folder, folder)
    said = f"{folder}: {len(measured.rows)} measurements, seeds {measured.summary.benchmark.seeds}"
    click.echo(f"{said}, spread of {len(measured.spread.numbers)} numbers" if measured.spread else said)


def _keep_certificate(run_folder: Path, folder: Path) -> None:
    """Keep the networks from which other machines can begin again, where the run's artifacts are still there."""
    try:
        plan = read_plan(run_folder)
        certificate = keep_certificate(plan, folder)
    except (MissingEnvironment, CorruptArtifact) as error:
        click.echo(f"without a certificate for machines with other arithmetic: {error}", err=True)
    else:
        click.echo(f"certificate: {len(certificate.stages)} stages, {len(certificate.models)} networks")


def _read_whole(folder: Path) -> Measured:
    measured = read_measured(folder)
    if measured.summary.missing:
        raise MissingEnvironment(f"{folder}: {len(measured.summary.missing)} results are missing; finish it first")
    return measured
