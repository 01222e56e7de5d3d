"""plan: what a run would do, and what it would cost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from clbench.cli.options import data_option, json_option, seeds_option, store_option, suite_option
from clbench.data.available import lacking_words
from clbench.data.problems import shortened_list
from clbench.definitions.models import Resolved
from clbench.execute.estimate import chains
from clbench.plan import Job, Plan, PrepareSpec
from clbench.plan.costs import Cost, Step, job_cost, planned_network, tabled_step
from clbench.plan.network import Network
from clbench.plan.notes import data_notes
from clbench.plan.trust import untrusted
from clbench.provenance import accelerators
from clbench.run import Places, said_done
from clbench.store import Store

LARGE = 64**3
"""Voxels of a patch from which training on a CPU is out of the question."""
CPU_MEMORY = 0.5e9
"""Bytes of a job of the embedded benchmarks, measured."""
LISTED = 60
"""Jobs that are listed one by one; a plan with more is summed up."""


@click.command("plan")
@click.argument("benchmark")
@suite_option
@store_option
@data_option
@seeds_option
@click.option("--all", "every", is_flag=True, help=f"List every job, also where there are more than {LISTED}.")
@json_option
def plan_command(
    benchmark: str, suites: tuple[Path, ...], store: Path, data: Path | None, seeds: tuple[int, ...], every: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Say what running BENCHMARK would do and cost, and do nothing.

    What is there counts as cached; that it is damaged is found by `clbench run` alone, which reads every byte.

    BENCHMARK is a name that `clbench list` gives, or the path of a YAML file.
    """
    places = Places(suites, store, data=data)
    plan = places.plan(benchmark, seeds)
    done = said_done(plan, Store(store))
    assert plan.resolved is not None
    network, step = _measure(plan, plan.resolved, done)
    prepared = PrepareSpec.model_validate(plan.preparation.spec)
    costs = {job.id: job_cost(job, prepared, network, step) for job in plan.jobs}
    if as_json:
        click.echo(_document(plan, done, costs, step))
        return
    if every or len(plan.jobs) <= LISTED:
        for job in plan.jobs:
            click.echo(f"{'cached' if job.id in done else duration(job.seconds):>8}  {job.title}")
    else:
        click.echo(_by_baseline(plan, done, costs))
    click.echo(_estimate(plan, done))
    for line in _resources(plan, done, costs, network, step):
        click.echo(line)
    for note in shortened_list(data_notes(prepared)):
        click.echo(f"note: {note}")
    click.echo(f"what the tasks lose by sharing one plan: clbench preflight {benchmark}")
    if strange := untrusted(job.method_file for job in plan.jobs):
        click.echo(f"runs Python of {', '.join(map(str, strange))}: `clbench run` needs --trust")
    if lacking := lacking_words(plan.resolved.tasks.values(), places.datasets):
        click.echo(f"\n{lacking}\n`clbench run` would end with exit code 4 at once")


def _document(plan: Plan, done: set[str], costs: dict[str, Cost], step: Step) -> str:
    """The plan for programs: ``seconds`` are of one CPU core, what is in ``cost`` of a GPU, sizes in bytes."""
    jobs = [
        {**job.model_dump(mode="json"), "cached": job.id in done, "cost": asdict(costs[job.id])} for job in plan.jobs
    ]
    uses = [use.model_dump() for use in plan.uses]
    return json.dumps({"jobs": jobs, "uses": uses, "step": asdict(step)}, indent=1)


def _measure(plan: Plan, resolved: Resolved, done: set[str]) -> tuple[Network, Step]:
    """The network, and how long its step takes: timed if there is a device, from the table if not."""
    network = planned_network(resolved, _nnunets_plans(plan) if plan.preparation.id in done else None)
    batch = resolved.benchmark.budget.batch
    return network, (_timed(network, batch) if accelerators() else None) or tabled_step(network, batch)


def _nnunets_plans(plan: Plan) -> dict[str, Any] | None:
    """What nnU-Net planned; None where the file is gone or damaged, so that a run would prepare again."""
    try:
        found = json.loads((Store(Path(plan.store)).job(plan.preparation.id).path / "plans.json").read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _timed(network: Network, batch: int) -> Step | None:
    """A handful of steps in a process of its own, since torch is not imported here; None if they fail."""
    request = json.dumps({"network": asdict(network), "batch": batch})
    command = [sys.executable, "-P", "-m", "clbench.job.timing"]
    done = subprocess.run(command, input=request, capture_output=True, text=True)
    said = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"error": done.stderr}
    if "error" in said:
        click.echo(f"no step could be timed: {(said['error'].splitlines() or ['?'])[-1]}", err=True)
        return None
    return Step(float(said["seconds"]), f"a handful of steps timed on {said['device']}, not compiled", True)


def _by_baseline(plan: Plan, done: set[str], costs: dict[str, Cost]) -> str:
    """One line per protocol and baseline; a job that several need is counted where it first occurs."""
    users = {plan.preparation.id: [("prepare", "")]}
    for use in plan.uses:
        users.setdefault(use.job, []).append((use.protocol, use.baseline))
    lines = dict.fromkeys(pair for pairs in users.values() for pair in pairs)
    rows = [_line(pair, users, plan, done, costs) for pair in lines]
    return tabulate(rows, ["protocol", "baseline", "results", "jobs", "shared", "cached", "GPU hours"], "simple",
                    floatfmt=".1f")  # fmt: skip


def _line(
    pair: tuple[str, str], users: dict[str, list[tuple[str, str]]], plan: Plan, done: set[str], costs: dict[str, Cost]
) -> tuple[str | int | float, ...]:
    needed = [job for job, pairs in users.items() if pair in pairs]
    own = [job for job in needed if users[job][0] == pair]
    results = sum((use.protocol, use.baseline) == pair for use in plan.uses)
    hours = sum(costs[job].seconds for job in own if job not in done and pair[0] != "prepare") / 3600
    return (*pair, results, len(own), len(needed) - len(own), sum(job in done for job in needed), hours)


def _estimate(plan: Plan, done: set[str]) -> str:
    left = {job.id: job for job in plan.jobs if job.id not in done}
    shared = len(plan.uses) - len({use.job for use in plan.uses})
    counts = f"\n{len(plan.jobs)} jobs for {len(plan.uses)} results; {len(done)} cached, {len(left)} to do"
    counts += f"; {shared} results take a job that another has too" if shared else ""
    if not left:
        return counts
    seconds = {id: job.seconds for id, job in left.items()}
    return (
        f"{counts}\nabout {duration(sum(seconds.values()))} of one CPU core, and no sooner than "
        f"{duration(max(chains(left, seconds).values()))} however many there are "
        f"(a rough estimate from patch size and channels)"
    )


def _resources(plan: Plan, done: set[str], costs: dict[str, Cost], network: Network, step: Step) -> Iterator[str]:
    """Hours and memory of a GPU, where there is one or where the network is of a size that asks for one; and disk."""
    left = {job.id: job for job in plan.jobs if job.id not in done}
    stages = [job for job in left.values() if job.kind == "stage"]
    if stages and (step.measured or network.voxels >= LARGE):
        yield from _accelerated(left, {job.id: costs[job.id] for job in stages}, network, step)
    elif stages:
        yield f"memory a job: about {_bytes(CPU_MEMORY)}"
    assert plan.resolved is not None
    parts = _parts(left.values(), costs) + _downloads(plan.resolved)
    yield f"disk: about {_bytes(_disk(left.values(), costs))} to come: {parts}"


def _accelerated(left: dict[str, Job], costs: dict[str, Cost], network: Network, step: Step) -> Iterator[str]:
    seconds = {id: costs[id].seconds if id in costs else 0.0 for id in left}
    longest = max(chains(left, seconds).values())
    patch = " x ".join(map(str, network.patch))
    yield f"about {duration(sum(seconds.values()))} of one GPU, and no sooner than {duration(longest)} on several"
    yield (
        f"  a step takes {1000 * step.seconds:.3g} ms ({step.source})\n"
        f"  network of {network.parameters / 1e6:.3g} M parameters, patch {patch}; memory a job: about "
        f"{_bytes(max(cost.memory for cost in costs.values()))} on the GPU, and what the method keeps there"
    )


def _disk(jobs: Iterable[Job], costs: dict[str, Cost]) -> float:
    return sum(costs[job.id].disk for job in jobs)


def _parts(jobs: Iterable[Job], costs: dict[str, Cost]) -> str:
    jobs = list(jobs)
    cases = _disk((job for job in jobs if job.kind == "prepare"), costs)
    models = _disk((job for job in jobs if job.kind == "stage"), costs)
    return f"preprocessed cases {_bytes(cases)} before compression, models and memories {_bytes(models)}"


def _downloads(resolved: Resolved) -> str:
    """What is known of the sizes of data that are not embedded."""
    sources = [card.source for card in resolved.tasks.values() if card.source.kind != "anatomy"]
    known = [1e9 * size for source in sources if (size := getattr(source, "gigabytes", None))]
    if not sources:
        return ""
    unknown = len(sources) - len(known)
    rest = f"{unknown} of {len(sources)} datasets of unknown size" if unknown else ""
    return "; downloads: " + " and ".join(part for part in (_bytes(sum(known)) if known else "", rest) if part)


def duration(seconds: float) -> str:
    """Seconds in words: seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.0f} h"


def _bytes(number: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number / 1e3:.0f} kB"
