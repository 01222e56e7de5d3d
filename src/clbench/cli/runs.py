"""plan, run, status, report, job: what becomes of a benchmark."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from clbench.cli.options import PATH, json_option, out_option, store_option, suite_option
from clbench.errors import ClbenchError
from clbench.plan import Plan
from clbench.report.document import terminal_report
from clbench.results.model import Summary
from clbench.run import Places, finished, read_plan, report, run
from clbench.store import Store

RUN = click.argument("run_folder", metavar="RUN", type=PATH)


@click.command("plan")
@click.argument("benchmark")
@suite_option
@store_option
@json_option
def plan_command(benchmark: str, suites: tuple[Path, ...], store: Path, as_json: bool) -> None:
    """Say what running BENCHMARK would do, and do nothing.

    BENCHMARK is a name that `clbench list` gives, or the path of a YAML file.
    """
    plan = Places(suites, store).plan(benchmark)
    done = finished(plan, Store(store), Console(stderr=True))
    if as_json:
        jobs = [{**job.model_dump(mode="json"), "cached": job.id in done} for job in plan.jobs]
        click.echo(json.dumps({"jobs": jobs, "uses": [use.model_dump() for use in plan.uses]}, indent=1))
        return
    for job in plan.jobs:
        mark = "cached" if job.id in done else f"{job.seconds:6.0f} s"
        click.echo(f"{mark:>8}  {job.title}")
    click.echo(_estimate(plan, done))


def _estimate(plan: Plan, done: set[str]) -> str:
    left = [job for job in plan.jobs if job.id not in done]
    seconds = sum(job.seconds for job in left)
    chain = longest_chain(plan, done)
    return (
        f"\n{len(plan.jobs)} jobs for {len(plan.uses)} results; {len(done)} cached, {len(left)} to do\n"
        f"about {_duration(seconds)} of one CPU core, and no sooner than {_duration(chain)} however many there are "
        f"(a rough estimate from patch size and channels)"
    )


def longest_chain(plan: Plan, done: set[str]) -> float:
    """Seconds of the longest chain of jobs that wait for each other."""
    ends: dict[str, float] = {}
    for job in plan.jobs:
        own = 0.0 if job.id in done else job.seconds
        ends[job.id] = own + max((ends[parent] for parent in job.parents), default=0.0)
    return max(ends.values(), default=0.0)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


@click.command("run")
@click.argument("benchmark")
@suite_option
@store_option
@out_option
@click.option("--jobs", type=click.IntRange(min=1), help="Jobs side by side.  [default: one per core]")
def run_command(benchmark: str, suites: tuple[Path, ...], store: Path, out: Path | None, jobs: int | None) -> None:
    """Run BENCHMARK, or go on with it, and write its report.

    What is done is not done again; after a crash the same command goes on.
    """
    places = Places(suites, store, out)
    plan = places.plan(benchmark)
    folder = places.run_folder(plan)
    console = Console(stderr=True)
    outcome, summary = run(plan, folder, jobs, console, _command(benchmark, suites))
    _print_report(summary, folder)
    if outcome.exit_code:
        sys.exit(outcome.exit_code)


def _command(benchmark: str, suites: tuple[Path, ...]) -> str:
    return " ".join(["clbench run", benchmark, *(f"--suite {suite}" for suite in suites)])


def _print_report(summary: Summary, folder: Path) -> None:
    click.echo(terminal_report(summary))
    click.echo(f"\nThe whole report: {folder / 'report.md'}   every measurement: {folder / 'rows.csv'}")


@click.command("status")
@RUN
@json_option
def status_command(run_folder: Path, as_json: bool) -> None:
    """Say how far the run in folder RUN is, such as reports/mini-organs."""
    plan = read_plan(run_folder)
    store = Store(Path(plan.store))
    done = finished(plan, store, Console(stderr=True))
    left = [job for job in plan.jobs if job.id not in done]
    begun = [job for job in left if store.job(job.id).log.exists()]
    if as_json:
        names = {"done": sorted(done), "begun": [j.id for j in begun], "left": [j.id for j in left]}
        click.echo(json.dumps(names, indent=1))
        return
    click.echo(f"{len(done)} of {len(plan.jobs)} jobs done")
    for job in begun:
        click.echo(f"begun, not finished: {job.title}  ({store.job(job.id).log})")
    if left:
        click.echo(f"about {_duration(sum(job.seconds for job in left))} of one CPU core left")


@click.command("report")
@RUN
def report_command(run_folder: Path) -> None:
    """Write the tables of the run in folder RUN again, and print the main ones."""
    plan = read_plan(run_folder)
    assert plan.resolved is not None
    summary = report(plan, run_folder, _command(plan.resolved.benchmark.name, ()))
    _print_report(summary, run_folder)


@click.command("job")
@click.argument("plan_file", metavar="PLAN", type=PATH)
@click.argument("job_id", metavar="ID")
def job_command(plan_file: Path, job_id: str) -> None:
    """Do the job ID of the plan file PLAN; its output goes to its log in the store."""
    from clbench.job import main

    if not plan_file.is_file():
        raise ClbenchError(f"{plan_file}: there is no such plan; `clbench run` writes plan.json into its folder")
    sys.exit(main(str(plan_file), job_id))
