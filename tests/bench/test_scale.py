"""How plans, runs and methods grow: with jobs, stages, baselines, seeds and cases.

``make bench-scale`` runs it; times are CPU time of this process and of those that it started, which other programs
stretch little. ``docs/scale_table.py`` makes the tables of docs/performance.md of what it wrote.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.cpu_time import children_cpu
from clbench.execute.backends import Local
from clbench.execute.run import carry_out
from clbench.plan import Plan
from clbench.plan.sealed import plan_bytes
from clbench.run import Places
from clbench.store import Store, write_atomic

CARD = (Path(__file__).parents[2] / "tasks" / "mini-liver.yaml").read_text()
DEFINITION = """
name: scale
version: 1
title: As large as it is asked for
scenario: task-incremental
sequence: [{tasks}]
backbone:
  {{configuration: 3d_fullres, spacing: [12, 12, 12], patch: [16, 16, 16], features: [4, 8, 8], mirror: false}}
optimizer: {{lr: 0.05, momentum: 0.9, warmup: 2}}
budget: {{epochs: 2, epoch: {{iterations: 4}}, batch: 2}}
sample: {{train: {train}, val: {val}, seed: 0}}
protocols: {{from-scratch: {{}}, continual: {{baselines: [{baselines}]}}}}
seeds: [{seeds}]
"""
REMEMBERING = ("finetune", "l2", "ewc", "ewc-each", "si", "mas", "rwalk", "blip", "gpm", "lwf", "replay")
STAGES = 12


def cpu_seconds() -> float:
    """Of this process and of all that it started and that have ended."""
    return time.process_time() + children_cpu()


def scaled(group: str) -> pytest.MarkDecorator:
    """A group whose times are CPU time."""
    return pytest.mark.benchmark(group=group, timer=cpu_seconds)


def places(
    folder: Path, tasks: int = 4, baselines: tuple[str, ...] = (), strengths: int = 1, seeds: int = 1, train: int = 4,
    val: int = 1,
) -> Places:  # fmt: skip
    """Where the benchmark ``scale`` of that size is found: its tasks are all the same liver under other names."""
    for kind in ("tasks", "benchmark"):
        (folder / "suite" / kind).mkdir(parents=True)
    names = [f"organ-{number:02d}" for number in range(tasks)]
    for name in names:
        (folder / "suite" / "tasks" / f"{name}.yaml").write_text(CARD.replace("name: mini-liver", f"name: {name}"))
    variants = baselines or tuple(f"{{ewc: {{strength: {0.1 * (1 + number):.1f}}}}}" for number in range(strengths))
    text = DEFINITION.format(
        tasks=", ".join(names), baselines=", ".join(variants), seeds=", ".join(map(str, range(seeds))),
        train=train, val=val,
    )  # fmt: skip
    (folder / "suite" / "benchmark" / "scale.yaml").write_text(text)
    return Places((folder / "suite",), folder / "store")


def sizes(plan: Plan) -> dict[str, int]:
    """How much a plan asks for: jobs, results, and networks applied to a task (times cases: predictions)."""
    stages = [job for job in plan.jobs if job.kind == "stage"]
    held_out = next(iter(plan.preparation.spec["counts"].values()))[1]
    evaluated = sum(len(job.evaluate) for job in stages)
    return {"jobs": len(plan.jobs), "results": len(plan.uses), "predictions": evaluated * held_out}


GROWING = [
    *((("tasks", number),) for number in (2, 4, 6, 8, 10, 12)),
    *((("strengths", number),) for number in (1, 5, 10, 20)),
    *((("seeds", number),) for number in (1, 5, 10, 20)),
    *((("val", number),) for number in (1, 4, 8, 12)),
]


@scaled("a plan grows")
@pytest.mark.parametrize("size", GROWING, ids=lambda size: "-".join(map(str, size[0])))
def test_a_plan_grows_with(size: Any, benchmark: Any, tmp_path: Path) -> None:
    """Stages and tasks, baselines, seeds, cases; one at a time."""
    where = places(tmp_path, **dict(size))
    plan = benchmark.pedantic(lambda: where.plan("scale"), rounds=3, warmup_rounds=1)
    benchmark.extra_info.update({"what": size[0][0], "number": size[0][1], **sizes(plan)})


def large(folder: Path, jobs: int) -> tuple[Path, Plan]:
    """A run's folder with a plan of about so many jobs: four tasks, 24 baselines, as many seeds as it takes."""
    where = places(folder, strengths=24, seeds=max(1, round(jobs / 76)))
    plan = where.plan("scale")
    write_atomic(folder / "run" / "plan.json", plan_bytes(plan))
    return folder / "run", plan


def finish(plan: Plan) -> None:
    """Leave a result of every job, of the usual size, with three files that it vouches for."""
    store = Store(Path(plan.store))
    for job in plan.jobs:
        folder = store.job(job.id)
        folder.path.mkdir(parents=True)
        measured = [
            {"epoch": 25, "task": task, "case": f"case_{case}", "label": "organ", "metric": metric, "value": 0.123456}
            for task in job.evaluate
            for case in range(4)
            for metric in ("dice", "predicted_ml", "reference_ml")
        ]
        for name in "abc":
            (folder.path / name).write_bytes(bytes(1000))
        evaluation = {"evaluation": job.evaluation} if job.kind == "stage" else {}
        folder.finish("result", {**evaluation, "measurements": measured}, "abc")


def typed(folder: Path, *words: object) -> str:
    """A command, from its start to its end."""
    command = [sys.executable, "-m", "clbench", *map(str, words)]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@scaled("a command over many jobs")
@pytest.mark.parametrize("jobs", [1_000, 10_000])
@pytest.mark.parametrize("command", ["plan", "status", "status when all is done"])
def test_a_command_over_many_jobs(command: str, jobs: int, benchmark: Any, tmp_path: Path) -> None:
    """Process start included."""
    run, plan = large(tmp_path, jobs)
    if "done" in command:
        finish(plan)
    words: tuple[object, ...] = ("status", run)
    if command == "plan":
        words = ("plan", "scale", "--suite", tmp_path / "suite", "--store", tmp_path / "store")
    said = benchmark.pedantic(lambda: typed(tmp_path, *words), rounds=3)
    assert str(len(plan.jobs)) in said
    megabytes = (run / "plan.json").stat().st_size / 1e6
    benchmark.extra_info.update(command=command, jobs=len(plan.jobs), plan_mb=megabytes)


@scaled("the engine over jobs that do nothing")
@pytest.mark.parametrize("jobs", [76, 500, 2_000])
def test_the_engine_over_jobs_that_do_nothing(
    jobs: int, benchmark: Any, tmp_path: Path, modules_of_tests: None
) -> None:
    """Snakemake, a client and a fork per job, two at a time, as ``clbench run`` does it."""
    run, plan = large(tmp_path, jobs)
    store, console = Store(Path(plan.store)), Console(file=StringIO())
    wall = time.perf_counter()
    arguments = (run / "plan.json", plan, set(), store, run, Local(jobs=2), console)
    outcome = benchmark.pedantic(lambda: carry_out(*arguments, module="bench.no_op"), rounds=1)
    assert len(outcome.finished) == len(plan.jobs)
    biggest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    benchmark.extra_info.update(
        jobs=len(plan.jobs), wall=time.perf_counter() - wall, load=os.getloadavg()[0], engine_mb=biggest
    )


@scaled("a rerun of a finished benchmark")
def test_a_rerun_of_a_finished_benchmark(undisturbed: Any, benchmark: Any, tmp_path: Path) -> None:
    """Ten jobs of the tests' small benchmark: what is left is the start, the look and the report."""
    words = (*undisturbed.words, "--store", undisturbed.store, "--out", tmp_path / "run")
    said = benchmark.pedantic(lambda: typed(tmp_path, *words), rounds=3, warmup_rounds=1)
    assert "Final Dice" in said


@scaled("a sequence of twelve stages")
def test_a_sequence_of_twelve_stages(benchmark: Any, tmp_path: Path, modules_of_tests: None) -> None:
    """What each method carries on, and what training and evaluation take, stage by stage."""
    plan = places(tmp_path, tasks=STAGES, baselines=REMEMBERING).plan("scale")
    run, store, console = tmp_path / "run", Store(Path(plan.store)), Console(file=StringIO())
    write_atomic(run / "plan.json", plan_bytes(plan))
    arguments = (run / "plan.json", plan, set(), store, run, Local(jobs=1), console)
    outcome = benchmark.pedantic(lambda: carry_out(*arguments, module="bench.accounted"), rounds=1)
    assert outcome.exit_code == 0
    benchmark.extra_info["stages"] = [
        {"baseline": use.baseline, "stage": use.stage, **measured(store, use.job)}
        for use in plan.uses
        if use.protocol == "continual"
    ]


def measured(store: Store, job: str) -> dict[str, float]:
    """A stage's CPU seconds of training and evaluation, what it carries on and its highest memory, in MB."""
    folder = store.job(job)
    account = json.loads((folder.path / "account.json").read_text())
    seconds = Counter[str]()
    for phase, s in account["seconds"].items():
        seconds["evaluation" if phase.startswith("evaluation") else "training"] += s
    cost = folder.read("result")["cost"]  # type: ignore[index]
    return {**seconds, "remembered_mb": cost["remembered_mb"], "peak_mb": account["peak_mb"]}
