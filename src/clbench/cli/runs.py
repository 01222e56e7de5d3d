"""run, status, report, job: what becomes of a benchmark."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click
from rich.console import Console

from clbench.cli.arithmetic import say_arithmetic
from clbench.cli.backend import backend_options
from clbench.cli.options import (
    PATH,
    data_option,
    json_option,
    out_option,
    seeds_option,
    store_option,
    suite_option,
    trust_option,
)
from clbench.cli.planning import duration
from clbench.errors import ClbenchError
from clbench.execute.backends import Backend
from clbench.execute.run import Outcome
from clbench.execute.watch import last_lines
from clbench.plan.sealed import read_plan_file
from clbench.plan.trust import require_trusted
from clbench.report.document import terminal_report
from clbench.results.model import Summary
from clbench.run import Places, read_plan, report, run, said_done
from clbench.store import Store

RUN = click.argument("run_folder", metavar="RUN", type=PATH)


@click.command("run")
@click.argument("benchmark")
@suite_option
@trust_option
@store_option
@out_option
@data_option
@seeds_option
@backend_options
def run_command(
    benchmark: str, suites: tuple[Path, ...], trust: bool, store: Path, out: Path | None, data: Path | None,
    seeds: tuple[int, ...], backend: Backend,
) -> None:
    """Run BENCHMARK, or go on with it, and write its report.

    What is done is not done again; after a crash the same command goes on.
    """
    say_arithmetic()
    places = Places(suites, store, out, data, backend.cuda)
    plan = places.plan(benchmark, seeds, ready=True, trust=trust)
    folder = places.run_folder(plan)
    console = Console(stderr=True)
    outcome, summary = run(plan, folder, backend, console, run_words(benchmark, suites, seeds, trust), trust)
    if outcome.interrupted is None:
        _print_report(summary, folder)
    if outcome.failed:
        _say(_failures(outcome))
    if outcome.exit_code:
        sys.exit(outcome.exit_code)


def run_words(benchmark: str, suites: tuple[Path, ...], seeds: tuple[int, ...], trust: bool) -> str:
    """The command that repeats a run."""
    others = [word for suite in suites for word in ("--suite", str(suite))]
    chosen = ["--seeds", ",".join(map(str, seeds))] if seeds else []
    return shlex.join(["clbench", "run", benchmark, *others, *chosen, *(["--trust"] if trust else [])])


def _failures(outcome: Outcome) -> str:
    """What a run ends with when not all of it came out; its reasons stand above, before the report."""
    skipped = f", {len(outcome.skipped)} not tried because they need what failed" if outcome.skipped else ""
    return f"{len(outcome.failed)} failed{skipped}; the same command tries again"


def _say(text: str) -> None:
    click.echo(text, err=True)


def _print_report(summary: Summary, folder: Path) -> None:
    """The main tables, unless nothing was measured that could fill them."""
    if summary.reference_ml:
        click.echo(terminal_report(summary))
    click.echo(f"\nThe whole report: {folder / 'report.md'}   every measurement: {folder / 'rows.csv'}")


@click.command("status")
@RUN
@json_option
def status_command(run_folder: Path, as_json: bool) -> None:
    """Say how far the run in folder RUN is, such as reports/mini-organs.

    It looks at what is there; only `clbench run` reads every byte of it, and does again what is damaged.
    """
    plan = read_plan(run_folder)
    store = Store(Path(plan.store))
    done = said_done(plan, store)
    left = [job for job in plan.jobs if job.id not in done]
    begun = [job for job in left if store.job(job.id).log.exists()]
    if as_json:
        names = {"done": sorted(done), "begun": [j.id for j in begun], "left": [j.id for j in left]}
        click.echo(json.dumps(names, indent=1))
        return
    click.echo(f"{len(done)} of {len(plan.jobs)} jobs done")
    for job in begun:
        log = store.job(job.id).log
        click.echo(f"begun, not finished: {job.title}\n    {''.join(last_lines(log, 1))}\n    log: {log}")
    if left:
        click.echo(f"about {duration(sum(job.seconds for job in left))} of one CPU core left")


@click.command("report")
@RUN
def report_command(run_folder: Path) -> None:
    """Write the tables of the run in folder RUN again, and print the main ones."""
    _print_report(report(read_plan(run_folder), run_folder), run_folder)


@click.command("job")
@click.argument("plan_file", metavar="PLAN", type=PATH)
@click.argument("job_id", metavar="ID")
@trust_option
def job_command(plan_file: Path, job_id: str, trust: bool) -> None:
    """Do the job ID of the plan file PLAN; its output goes to its log in the store."""
    from clbench.job import main

    method_files = {job.id: job.method_file for job in read_plan_file(plan_file).jobs}
    if job_id not in method_files:
        raise ClbenchError(f"{plan_file} has no job {job_id!r}; `clbench plan BENCHMARK --json` names them")
    require_trusted([method_files[job_id]], trust)
    sys.exit(main(str(plan_file), job_id))
