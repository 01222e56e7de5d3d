"""compare, reproduce, reference: whether numbers come out again."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
from rich.console import Console

from clbench.bundle import read_bundle, rerun_plan
from clbench.cli.bundle import rerun_words
from clbench.cli.options import (
    PATH,
    data_option,
    jobs_option,
    json_option,
    out_option,
    seeds_option,
    store_option,
    suite_option,
)
from clbench.cli.runs import run_words
from clbench.definitions.catalogue import Catalogue
from clbench.errors import ClbenchError, MissingEnvironment
from clbench.execute.run import Outcome
from clbench.provenance import environment
from clbench.references import keep, read_measured, shipped_references
from clbench.report.reproduction import junit, markdown, text
from clbench.results.reproduction import Measured, Reproduction, reproduction
from clbench.run import Places, run

Mode = Literal["exact", "statistical"]

margin_option = click.option(
    "--margin", default=0.02, show_default=True, type=click.FloatRange(min=0, min_open=True),
    help="How much lower a mean Dice may be and still count as reproduced.",
)  # fmt: skip


@click.command("compare")
@click.argument("run_folder", metavar="RUN", type=PATH)
@click.argument("reference", type=PATH)
@margin_option
@click.option("--mode", type=click.Choice(["exact", "statistical"]),
              help="To the bit, or within the margin.  [default: to the bit where machine and versions are the same]")
@click.option("--markdown", "markdown_file", type=PATH, metavar="FILE", help="Also write all of it as Markdown.")
@click.option("--junit", "junit_file", type=PATH, metavar="FILE", help="Also write all of it as JUnit XML.")
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


@dataclass(frozen=True)
class Attempt:
    """What became of one benchmark."""

    benchmark: str
    words: str
    exit_code: int
    complete: bool = True
    """Whether it was run whole and judged; what was not is a failure under ``--strict`` alone."""


@click.command("reproduce")
@click.argument("benchmarks", nargs=-1, metavar="[BENCHMARK]…")
@click.option("--all", "everything", is_flag=True, help="Every benchmark whose data are there.")
@click.option("--from", "bundle", type=PATH, metavar="BUNDLE", help="What a bundle holds, by its own definition.")
@click.option("--trust", is_flag=True, help="Run the Python code that a bundle brings.")
@click.option("--strict", is_flag=True, help="What could not be run or judged is a failure too.")
@margin_option
@suite_option
@store_option
@data_option
@seeds_option
@jobs_option
def reproduce_command(
    benchmarks: tuple[str, ...], everything: bool, bundle: Path | None, trust: bool, strict: bool, margin: float,
    suites: tuple[Path, ...], store: Path, data: Path | None, seeds: tuple[int, ...], jobs: int | None,
) -> None:  # fmt: skip
    """Run each BENCHMARK, write its report and hold it against its published reference.

    Without a name: all that have a reference. Exit code 1 if one is not reproduced, 3 if a job failed.
    """
    places = Places(suites, store, data=data)
    if bundle is not None:
        if benchmarks or everything or seeds:
            raise click.UsageError("--from takes the benchmark and its seeds from the bundle; name neither beside it")
        attempts = [_attempt_bundle(bundle, places, margin, trust, jobs)]
    else:
        names = benchmarks or (Catalogue.open(suites).names("benchmark") if everything else _published())
        attempts = [_attempt(name, places, margin, seeds, jobs) for name in names]
    width = max((len(one.benchmark) for one in attempts), default=0)
    click.echo("\n" + "\n".join(f"{one.benchmark:{width}}  {one.words}" for one in attempts))
    sys.exit(_exit_code(attempts, strict))


def _published() -> Sequence[str]:
    folder = shipped_references()
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _attempt(name: str, places: Places, margin: float, seeds: tuple[int, ...], jobs: int | None) -> Attempt:
    try:
        plan = places.plan(name, seeds, ready=True)
    except MissingEnvironment as error:
        return Attempt(name, f"not run: {str(error).splitlines()[0]}", error.exit_code, complete=False)
    assert plan.resolved is not None
    folder = places.run_folder(plan)
    outcome, _ = run(plan, folder, jobs, Console(stderr=True), run_words(name, places.suites, seeds))
    if failed := _failure(name, outcome):
        return failed
    reference = shipped_references() / plan.resolved.benchmark.name
    if not reference.is_dir():
        return Attempt(name, f"run, and no reference to hold it against ({folder / 'report.md'})", 0, complete=False)
    return _compared(name, folder, lambda: read_measured(reference), margin)


def _attempt_bundle(file: Path, places: Places, margin: float, trust: bool, jobs: int | None) -> Attempt:
    bundle = read_bundle(file)
    name, here = bundle.header.benchmark, environment()
    plan = rerun_plan(bundle, places, trust)
    click.echo(rerun_words(bundle, plan, here))
    folder = Path("reports") / f"{name}-reproduced"
    command = shlex.join(["clbench", "reproduce", "--from", str(file), *(["--trust"] if bundle.methods else [])])
    outcome, _ = run(plan, folder, jobs, Console(stderr=True), command)
    if failed := _failure(name, outcome):
        return failed
    return _compared(name, folder, lambda: bundle.measured, margin)


def _failure(name: str, outcome: Outcome) -> Attempt | None:
    if outcome.interrupted is not None:
        sys.exit(outcome.exit_code)
    return Attempt(name, f"{len(outcome.failed)} jobs failed", outcome.exit_code) if outcome.exit_code else None


def _compared(name: str, folder: Path, reference: Callable[[], Measured], margin: float) -> Attempt:
    try:
        found = reproduction(read_measured(folder), reference(), margin)
    except ClbenchError as error:
        return Attempt(name, f"not judged: {str(error).splitlines()[0]}", error.exit_code)
    click.echo(f"\n{text(found)}")
    return Attempt(name, *_judged(found))


def _judged(found: Reproduction) -> tuple[str, int, bool]:
    verdict = found.verdict
    advice = "; --seeds 0,1,2 gives a verdict" if verdict == "inconclusive" else ""
    return f"{verdict}{advice}", 1 if verdict in ("drifted", "missing") else 0, verdict != "inconclusive"


def _exit_code(attempts: Sequence[Attempt], strict: bool) -> int:
    """The first failure's; what was not run or judged counts only under ``strict``."""
    failed = [one.exit_code for one in attempts if one.complete and one.exit_code]
    left = [one.exit_code or 1 for one in attempts if not one.complete] if strict else []
    return next(iter([*failed, *left]), 0)
