"""The preparation of a benchmark's data: generate or find, fingerprint, plan once for all tasks, preprocess."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clbench.errors import DefinitionError, Problem
from clbench.job.case_work import Seen, look, prepare_case
from clbench.job.cases import CaseWork, TaskWork, work_of
from clbench.job.pool import Pool, case_pool, each
from clbench.job.progress import Progress
from clbench.known_answer import arithmetic_here
from clbench.nnunet.planning import Backbone, CaseFingerprint
from clbench.nnunet.unification import Dataset, shared_plan
from clbench.plan import Job, PrepareSpec
from clbench.store import JobFolder, Json, describe_files, digest, sweep, write_atomic

FINGERPRINTS = "fingerprints"
ABANDONED = 3600.0
"""Seconds after which a half-written fingerprint is nobody's; preparations of other benchmarks write there too."""


def prepare(job: Job, folder: JobFolder, threads: int) -> Json:
    """Prepare all tasks of a benchmark, several cases at a time.

    Args:
        job: a job of kind ``prepare``.
        folder: its folder in the store; cases that an earlier attempt left there whole are not done again.
        threads: how many cases are worked on at once; the result does not depend on it.

    Raises:
        MissingEnvironment: cases can't be used, or the disk or the memory does not suffice.
        DefinitionError: no training case shows one of the labels.
    """
    spec, path = PrepareSpec.model_validate(job.spec), folder.path
    tasks = work_of(spec, path)
    cases = [(task, case) for task in tasks for case in task.cases]
    progress = Progress(folder, 2 * len(cases))
    sweep(folder.common / FINGERPRINTS, ".*.tmp", ABANDONED)
    with case_pool(threads) as pool:
        seen = _looked(pool, tasks, cases, path, folder.common / FINGERPRINTS, progress)
        described = _describe(tasks, path)
        plans = _plan(spec, path, tasks, seen)
        write_atomic(path / "plans.json", json.dumps(plans, indent=1).encode())
        made = each(pool, prepare_case, [(*pair, plans, path) for pair in cases], progress, "preprocessing")
    files = {name: entry for case in made for name, entry in case.items()}
    files |= describe_files(path, ["plans.json", *described])
    result = folder.seal("result", _result(tasks, path, plans), dict(sorted(files.items())))
    for scratch in ("scratch", "seals"):
        shutil.rmtree(path / scratch, ignore_errors=True)
    return result


def fingerprint_training_cases(spec: PrepareSpec, scratch: JobFolder, kept: Path, threads: int) -> dict[str, Dataset]:
    """What planning needs of every task, without preparing any for training.

    Args:
        spec: the preparation that it foretells.
        scratch: gets generated raw cases, which ``Dataset.example`` points into.
        kept: the folder of fingerprints, which the preparation will find there.
        threads: how many cases are worked on at once.
    """
    tasks = work_of(spec, scratch.path)
    cases = [(task, case) for task in tasks for case in task.cases if case.training]
    with case_pool(threads) as pool:
        seen = _looked(pool, tasks, cases, scratch.path, kept, Progress(scratch, len(cases)))
    return _datasets(tasks, seen)


def _looked(
    pool: Pool,
    tasks: Sequence[TaskWork],
    cases: Sequence[tuple[TaskWork, CaseWork]],
    folder: Path,
    kept: Path,
    progress: Progress,
) -> list[Seen]:
    """Generate cases that are not there, and say what is in those of them that are trained on.

    Raises:
        DefinitionError: no training case shows one of the labels.
    """
    looked = each(pool, look, [(*pair, folder, kept) for pair in cases], progress, "looking at cases")
    seen = [case for case in looked if case]
    _require_foreground(tasks, seen)
    return seen


def _require_foreground(tasks: Sequence[TaskWork], seen: Sequence[Seen]) -> None:
    """Refuse tasks with a label that no training case shows: a network could learn nothing of it.

    Raises:
        DefinitionError: there are such labels; all of them are named.
    """
    problems = []
    for card in (task.card for task in tasks):
        shown = [case.labels for case in seen if case.task == card.name]
        for number, label in enumerate(card.labels, start=1):
            if not any(number in labels for labels in shown):
                message = f"no voxel of it in any of the {len(shown)} training cases"
                advice = "make its source show it, or leave the label out"
                problems.append(Problem(None, None, f"task {card.name}: labels.{label}", f"{message}; {advice}"))
    if problems:
        raise DefinitionError(problems)


def _describe(tasks: Sequence[TaskWork], path: Path) -> list[str]:
    """Write the descriptions that nnU-Net wants beside cases; the user's own raw folders are left alone."""
    written = {path / "preprocessed" / task.dataset / "dataset.json": task.network_description for task in tasks}
    written |= {task.raw / "dataset.json": task.description for task in tasks if task.raw.is_relative_to(path)}
    for file, description in written.items():
        write_atomic(file, (json.dumps(description, indent=2) + "\n").encode())
    return [str(file.relative_to(path)) for file in written]


def _plan(spec: PrepareSpec, path: Path, tasks: Sequence[TaskWork], seen: Sequence[Seen]) -> Json:
    """Make the plan that the tasks share."""
    scratch = path / "planning"
    shutil.rmtree(scratch, ignore_errors=True)
    plans = shared_plan(_datasets(tasks, seen), spec.plans, backbone_of(spec), scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    return plans


def _datasets(tasks: Sequence[TaskWork], seen: Sequence[Seen]) -> dict[str, Dataset]:
    """Every task's training cases as planning wants them, in the tasks' order."""
    by_task: dict[str, list[CaseFingerprint]] = {}
    for case in seen:
        by_task.setdefault(case.task, []).append(case.fingerprint)
    return {
        task.card.name: Dataset(
            task.network_description, task.cases[0].files.images[0], tuple(by_task[task.card.name])
        )
        for task in tasks
    }


def backbone_of(spec: PrepareSpec) -> Backbone:
    """What the definition fixes of the plan."""
    b = spec.backbone
    return Backbone(b["configuration"], _tuple(b["spacing"]), _tuple(b["patch"]), _tuple(b["features"]), spec.batch)


def _tuple(value: Any) -> Any:
    return None if value is None else tuple(value)


def _result(tasks: Sequence[TaskWork], path: Path, plans: Json) -> Json:
    entries = {task.card.name: _entry(task, path) for task in tasks}
    return {"tasks": entries, "plans": digest(plans), "arithmetic": arithmetic_here()}


def _entry(task: TaskWork, path: Path) -> Json:
    inside = task.raw.is_relative_to(path)
    return {
        "dataset": task.dataset,
        "raw": str(task.raw.relative_to(path) if inside else task.raw),
        "labels": list(task.card.labels),
        "train": sorted(case.id for case in task.cases if case.training),
        "val": sorted(case.id for case in task.cases if not case.training),
    }
