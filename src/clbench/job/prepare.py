"""The preparation of a benchmark's data: generate, fingerprint, plan once for all tasks, preprocess."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from clbench.data.raw import (
    case_id,
    dataset_json,
    dataset_name,
    image_path,
    label_path,
    write_case,
    write_description,
)
from clbench.data.splits import sample_indices
from clbench.definitions.models import TaskCard
from clbench.errors import DefinitionError, Problem
from clbench.execute.lifetime import die_with_parent
from clbench.job.fingerprints import fingerprint
from clbench.job.progress import Progress
from clbench.nnunet.planning import VOXELS_FOR_INTENSITIES, Backbone, CaseFingerprint
from clbench.nnunet.prediction import read_label
from clbench.nnunet.preprocessing import preprocess_case
from clbench.nnunet.unification import Dataset, shared_plan
from clbench.plan import Job, PrepareSpec
from clbench.store import JobFolder, Json, digest, write_atomic

FINGERPRINTS = "fingerprints"


@dataclass(frozen=True)
class PreparedTask:
    """Where a prepared task lies, and its cases.

    Attributes:
        raw: nnU-Net raw dataset folder.
        preprocessed: folder of preprocessed cases.
        labels: names of the foreground labels, in network order.
        train: names of the training cases.
        val: names of the cases that are reported.
    """

    raw: Path
    preprocessed: Path
    labels: tuple[str, ...]
    train: tuple[str, ...]
    val: tuple[str, ...]

    @cached_property
    def dataset_json(self) -> Json:
        """The raw dataset's description."""
        return dict(json.loads((self.raw / "dataset.json").read_text()))


@dataclass(frozen=True)
class Prepared:
    """A finished preparation, read from its job's folder."""

    folder: JobFolder

    @cached_property
    def plans(self) -> Json:
        """nnU-Net's plans, shared by all tasks."""
        return dict(json.loads((self.folder.path / "plans.json").read_text()))

    @cached_property
    def tasks(self) -> dict[str, PreparedTask]:
        """The tasks by name."""
        result = self.folder.read("result")
        assert result is not None, "a stage starts only after its preparation is done"
        return {name: self._task(entry) for name, entry in result["tasks"].items()}

    def _task(self, entry: dict[str, Any]) -> PreparedTask:
        path = self.folder.path
        return PreparedTask(
            path / "raw" / entry["dataset"], path / "preprocessed" / entry["dataset"],
            tuple(entry["labels"]), tuple(entry["train"]), tuple(entry["val"]),
        )  # fmt: skip


@dataclass(frozen=True)
class _Case:
    """One case to prepare."""

    card: TaskCard
    index: int
    raw: Path
    preprocessed: Path
    training: bool
    samples: int
    fingerprints: Path

    @property
    def name(self) -> str:
        return case_id(self.card, self.index)

    @property
    def files(self) -> tuple[list[str], str]:
        return [str(image_path(self.raw, self.name))], str(label_path(self.raw, self.name))


def prepare(job: Job, folder: JobFolder, threads: int) -> Json:
    """Prepare all tasks of a benchmark, several cases at a time.

    Args:
        job: a job of kind ``prepare``.
        folder: its folder in the store.
        threads: how many cases are worked on at once; the result does not depend on it.
    """
    spec = PrepareSpec.model_validate(job.spec)
    shutil.rmtree(folder.path / "raw", ignore_errors=True)
    shutil.rmtree(folder.path / "preprocessed", ignore_errors=True)
    cases = list(_cases(spec, folder.path, folder.common / FINGERPRINTS))
    progress = Progress(folder, 2 * len(cases))
    with _pool(threads) as pool:
        found = [made for made in _collect(pool.map(_generate, cases), progress, "generating cases") if made]
        _require_foreground(spec.tasks.values(), found)
        plans = _plan(spec, folder.path, cases, found)
        write_atomic(folder.path / "plans.json", json.dumps(plans, indent=1).encode())
        _collect(pool.map(_preprocess, [(case, plans) for case in cases]), progress, "preprocessing")
    return folder.finish("result", _result(spec, plans, cases), _files(folder.path))


def fingerprint_training_cases(spec: PrepareSpec, scratch: Path, kept: Path, threads: int) -> dict[str, Dataset]:
    """What planning needs of every task, without preparing any for training.

    Args:
        spec: the preparation that it foretells.
        scratch: gets the raw training cases, which ``Dataset.example`` points into.
        kept: the folder of fingerprints, which the preparation will find there.
        threads: how many cases are worked on at once.
    """
    cases = [case for case in _cases(spec, scratch, kept) if case.training]
    with _pool(threads) as pool:
        found = [made for made in pool.map(_generate, cases) if made]
    _require_foreground(spec.tasks.values(), found)
    return datasets(cases, found)


def _pool(threads: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("fork")
    return ProcessPoolExecutor(threads, mp_context=context, initializer=die_with_parent)


def _cases(spec: PrepareSpec, path: Path, kept: Path) -> Iterator[_Case]:
    for number, (name, card) in enumerate(spec.tasks.items(), start=2):
        train, val = sample_indices(card.cases, spec.sample_of(name))
        dataset = dataset_name(card, number)
        samples = VOXELS_FOR_INTENSITIES // (len(train) * len(spec.tasks))
        for index in (*train, *val):
            raw, preprocessed = path / "raw" / dataset, path / "preprocessed" / dataset
            yield _Case(spec.tasks[name], index, raw, preprocessed, index in train, samples, kept)


def _collect(results: Iterable[Any], progress: Progress, doing: str) -> list[Any]:
    collected = []
    for result in results:
        collected.append(result)
        progress.advance(doing)
    return collected


@dataclass(frozen=True)
class _Made:
    """A training case: its task, the labels that occur in it, and what nnU-Net wants to know before it plans."""

    task: str
    labels: frozenset[int]
    fingerprint: CaseFingerprint


def _generate(case: _Case) -> _Made | None:
    """Write a raw case; of a training case, also say what is in it."""
    write_case(case.raw, case.card, case.index)
    if not case.training:
        return None
    (images, label), description = case.files, dataset_json(case.card, 1)
    labels = frozenset(int(value) for value in np.unique(read_label(label, description)))
    made = fingerprint(images, label, description, case.samples, case.fingerprints)
    return _Made(case.card.name, labels, made)


def _require_foreground(cards: Iterable[TaskCard], made: list[_Made]) -> None:
    """Refuse tasks with a label that no training case shows: a network could learn nothing of it.

    Raises:
        DefinitionError: there are such labels; all of them are named.
    """
    problems = []
    for card in cards:
        shown = [case.labels for case in made if case.task == card.name]
        for number, label in enumerate(card.labels, start=1):
            if not any(number in labels for labels in shown):
                message = f"no voxel of it in any of the {len(shown)} training cases"
                advice = "make its source show it, or leave the label out"
                problems.append(Problem(None, None, f"task {card.name}: labels.{label}", f"{message}; {advice}"))
    if problems:
        raise DefinitionError(problems)


def _preprocess(work: tuple[_Case, Json]) -> None:
    case, plans = work
    images, label = case.files
    preprocess_case(images, label, plans, dataset_json(case.card, 1), case.preprocessed / case.name)


def _plan(spec: PrepareSpec, path: Path, cases: list[_Case], found: list[_Made]) -> Json:
    """Describe the raw datasets and make the plan that they share."""
    for raw in dict.fromkeys(case.raw for case in cases):
        of_task = [case for case in cases if case.raw == raw]
        write_description(raw, of_task[0].card, len(of_task))
    scratch = path / "planning"
    shutil.rmtree(scratch, ignore_errors=True)
    plans = shared_plan(datasets(cases, found), spec.plans, backbone_of(spec), scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    return plans


def datasets(cases: Iterable[_Case], found: Iterable[_Made]) -> dict[str, Dataset]:
    """Every task's training cases as planning wants them, in the tasks' order."""
    fingerprints: dict[str, list[CaseFingerprint]] = {}
    for made in found:
        fingerprints.setdefault(made.task, []).append(made.fingerprint)
    examples = {case.card.name: case for case in reversed(list(cases)) if case.training}
    return {
        task: Dataset(dataset_json(examples[task].card, len(own)), Path(examples[task].files[0][0]), tuple(own))
        for task, own in fingerprints.items()
    }


def backbone_of(spec: PrepareSpec) -> Backbone:
    """What the definition fixes of the plan."""
    b = spec.backbone
    return Backbone(b["configuration"], _tuple(b["spacing"]), _tuple(b["patch"]), _tuple(b["features"]), spec.batch)


def _tuple(value: Any) -> Any:
    return None if value is None else tuple(value)


def _result(spec: PrepareSpec, plans: Json, cases: list[_Case]) -> Json:
    tasks = {}
    for card in spec.tasks.values():
        own = [case for case in cases if case.card.name == card.name]
        tasks[card.name] = {
            "dataset": own[0].raw.name,
            "labels": list(card.labels),
            "train": sorted(case.name for case in own if case.training),
            "val": sorted(case.name for case in own if not case.training),
        }
    return {"tasks": tasks, "plans": digest(plans)}


def _files(path: Path) -> list[str]:
    files = [file for part in ("raw", "preprocessed") for file in (path / part).rglob("*") if file.is_file()]
    return [str(file.relative_to(path)) for file in (*files, path / "plans.json")]
