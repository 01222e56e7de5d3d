"""reproduce: run benchmarks and hold each against its reference."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from clbench.bundle import read_bundle, rerun_plan
from clbench.certificate import repeat
from clbench.cli.arithmetic import say_arithmetic
from clbench.cli.backend import backend_options
from clbench.cli.bundle import rerun_words
from clbench.cli.compare import junit_option, margin_option, markdown_option
from clbench.cli.options import PATH, data_option, seeds_option, store_option, suite_option, trust_option
from clbench.cli.runs import run_words
from clbench.definitions.catalogue import Catalogue
from clbench.errors import ClbenchError, MissingEnvironment
from clbench.execute.backends import Backend
from clbench.execute.run import Outcome
from clbench.plan import Plan
from clbench.provenance import environment
from clbench.references import find_reference, keep_repeated, named_references, read_measured
from clbench.report.reproduction import (
    junit,
    junit_of_all,
    markdown,
    not_judged_junit,
    not_judged_markdown,
    outcome,
    text,
)
from clbench.results.reproduction import Measured, Reproduction, reproduction
from clbench.run import Places, run


@dataclass(frozen=True)
class Attempt:
    """What became of one benchmark."""

    benchmark: str
    words: str
    exit_code: int
    complete: bool = True
    """Whether it was run whole and judged; what was not is a failure under ``--strict`` alone."""
    found: Reproduction | None = None
    """The comparison with its reference, if there was one."""


@dataclass(frozen=True)
class Asked:
    """How benchmarks are run and judged.

    Attributes:
        reference: what the benchmark is held against; None for what is found under its name.
        seeds: instead of the definition's own; none for those.
        trust: whether methods from suites may be run.
    """

    places: Places
    margin: float
    reference: Path | None
    seeds: tuple[int, ...]
    backend: Backend
    trust: bool


@click.command("reproduce")
@click.argument("benchmarks", nargs=-1, metavar="[BENCHMARK]…")
@click.option("--all", "everything", is_flag=True, help="Every benchmark whose data are there.")
@click.option("--from", "bundle", type=PATH, metavar="BUNDLE", help="What a bundle holds, by its own definition.")
@click.option("--strict", is_flag=True, help="What could not be run or judged is a failure too.")
@click.option("--reference", type=PATH, metavar="DIR", help="What the one BENCHMARK is held against.  "
              "[default: reports/reference/BENCHMARK of a suite, or the published one]")  # fmt: skip
@margin_option
@markdown_option
@junit_option
@suite_option
@trust_option
@store_option
@data_option
@seeds_option
@backend_options
def reproduce_command(
    benchmarks: tuple[str, ...], everything: bool, bundle: Path | None, strict: bool, reference: Path | None,
    margin: float, markdown_file: Path | None, junit_file: Path | None, suites: tuple[Path, ...], trust: bool,
    store: Path, data: Path | None, seeds: tuple[int, ...], backend: Backend,
) -> None:  # fmt: skip
    """Run each BENCHMARK, write its report and hold it against its reference.

    Without a name: all that have a reference. Exit code 1 if one is not reproduced, 3 if a job failed.
    """
    if reference and len(benchmarks) != 1:
        raise click.UsageError("--reference is of one benchmark; name that one alone")
    asked = Asked(Places(suites, store, data=data, cuda=backend.cuda), margin, reference, seeds, backend, trust)
    say_arithmetic()
    if bundle is not None:
        if benchmarks or everything or seeds or reference:
            raise click.UsageError("--from takes benchmark, seeds and reference from the bundle; name none beside it")
        attempts = [_attempt_bundle(bundle, asked)]
    else:
        names = benchmarks or (Catalogue.open(suites).names("benchmark") if everything else named_references(suites))
        attempts = [_attempt(name, asked) for name in names]
    width = max((len(one.benchmark) for one in attempts), default=0)
    click.echo("\n" + "\n".join(f"{one.benchmark:{width}}  {one.words}" for one in attempts))
    _write(attempts, markdown_file, junit_file)
    sys.exit(_exit_code(attempts, strict))


def _attempt(name: str, asked: Asked) -> Attempt:
    places = asked.places
    try:
        plan = places.plan(name, asked.seeds, ready=True, trust=asked.trust)
    except MissingEnvironment as error:
        return Attempt(name, f"not run: {str(error).splitlines()[0]}", error.exit_code, complete=False)
    assert plan.resolved is not None
    folder, benchmark = places.run_folder(plan), plan.resolved.benchmark.name
    words = run_words(name, places.suites, asked.seeds, asked.trust)
    outcome, _ = run(plan, folder, asked.backend, Console(stderr=True), words, asked.trust)
    if failed := _failure(name, outcome):
        return failed
    reference = asked.reference or find_reference(benchmark, places.suites)
    if reference is None:
        return Attempt(name, f"run, and no reference to hold it against ({folder / 'report.md'})", 0, complete=False)
    return _compared(name, plan, folder, reference, asked)


def _attempt_bundle(file: Path, asked: Asked) -> Attempt:
    bundle = read_bundle(file)
    name, here = bundle.header.benchmark, environment()
    plan = rerun_plan(bundle, asked.places, asked.trust)
    click.echo(rerun_words(bundle, plan, here))
    folder = Path("reports") / f"{name}-reproduced"
    words = shlex.join(["clbench", "reproduce", "--from", str(file), *(["--trust"] if bundle.methods else [])])
    outcome, _ = run(plan, folder, asked.backend, Console(stderr=True), words, asked.trust)
    return _failure(name, outcome) or _judged(name, folder, bundle.measured, asked.margin)


def _failure(name: str, outcome: Outcome) -> Attempt | None:
    if outcome.interrupted is not None:
        sys.exit(outcome.exit_code)
    return Attempt(name, f"{len(outcome.failed)} jobs failed", outcome.exit_code) if outcome.exit_code else None


def _compared(name: str, plan: Plan, folder: Path, reference: Path, asked: Asked) -> Attempt:
    """Compare a run with a reference; where bits can't be, compute the reference's certificate first."""
    try:
        theirs = read_measured(reference)
        found = reproduction(read_measured(folder), theirs, asked.margin)
        if found.mode == "statistical" and theirs.certificate is not None:
            click.echo(f"{name}: bits can't be compared ({found.why}), so the certificate is computed", err=True)
            console = Console(stderr=True)
            outcome, repeated = repeat(plan, theirs.certificate, reference, folder, asked.backend, console)
            if failed := _failure(name, outcome):
                return failed
            keep_repeated(folder, repeated)
    except ClbenchError as error:
        return Attempt(name, f"not judged: {str(error).splitlines()[0]}", error.exit_code)
    return _judged(name, folder, theirs, asked.margin)


def _judged(name: str, folder: Path, reference: Measured, margin: float) -> Attempt:
    try:
        found = reproduction(read_measured(folder), reference, margin)
    except ClbenchError as error:
        return Attempt(name, f"not judged: {str(error).splitlines()[0]}", error.exit_code)
    click.echo(f"\n{text(found)}")
    passed = found.verdict == "reproduced"
    return Attempt(name, outcome(found), int(not passed), complete=not (passed and found.not_judged), found=found)


def _write(attempts: Sequence[Attempt], markdown_file: Path | None, junit_file: Path | None) -> None:
    """Write what became of every benchmark, also of those that could not be judged."""
    if markdown_file is not None:
        markdown_file.write_text("\n".join(map(_markdown, attempts)), encoding="utf-8")
    if junit_file is not None:
        junit_file.write_text(junit_of_all([*map(_junit, attempts)]), encoding="utf-8")


def _markdown(one: Attempt) -> str:
    return markdown(one.found) if one.found else not_judged_markdown(one.benchmark, one.words)


def _junit(one: Attempt) -> str:
    failed = bool(one.complete and one.exit_code)
    return junit(one.found) if one.found else not_judged_junit(one.benchmark, one.words, failed)


def _exit_code(attempts: Sequence[Attempt], strict: bool) -> int:
    """The first failure's; what was not run or judged counts only under ``strict``."""
    failed = [one.exit_code for one in attempts if one.complete and one.exit_code]
    left = [one.exit_code or 1 for one in attempts if not one.complete] if strict else []
    return next(iter([*failed, *left]), 0)
