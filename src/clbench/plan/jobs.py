"""The jobs of a plan: each job's id is a hash of everything that determines its output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clbench import ARITHMETIC
from clbench.data.anatomy import anatomy_file, expected_sha256
from clbench.data.dataset import RawDataset
from clbench.definitions.models import Resolved
from clbench.identity import library_versions, package_files
from clbench.plan.cases import KnownCases
from clbench.plan.code import code_of, evaluation_code, prepare_code, training_code
from clbench.plan.policy import plan_policy
from clbench.plan.records import Asked, Job, PrepareSpec, StageSpec
from clbench.store import digest


@dataclass(frozen=True)
class Arithmetics:
    """The arithmetic of a plan's jobs; it is part of their ids.

    Attributes:
        prepare: of the preparation, which is computed on the CPU: ``x86-64-v3``, or ``native:`` and the type of
            processor.
        stages: of the stages: the same, or ``cuda``.
    """

    prepare: str = ARITHMETIC.name
    stages: str = ARITHMETIC.name


SLOWER = {"gpm": 1.2, "lwf": 1.3, "mib": 1.3, "pseudo_labels": 1.4, "der": 1.7, "plop": 1.9, "agem": 2.0}
"""A step's cost beside fine-tuning's, where a method's is more (docs/performance.md)."""


class Jobs:
    """Collects jobs; equal work becomes one job, whoever asks for it.

    Attributes:
        by_id: the jobs, in the order in which they were first asked for.
        prepare: the id of the preparation, which is there from the beginning.
    """

    def __init__(
        self, resolved: Resolved, cases: Mapping[str, KnownCases], datasets: Mapping[str, RawDataset],
        arithmetic: Arithmetics,
    ) -> None:  # fmt: skip
        """Begin with the preparation.

        Args:
            resolved: the definition.
            cases: the cases of every task.
            datasets: the raw data of tasks that are not embedded, of those that are there.
            arithmetic: of preparation and stages.
        """
        self.by_id: dict[str, Job] = {}
        self._resolved, self._benchmark = resolved, resolved.benchmark
        self._cases, self._arithmetic = cases, arithmetic
        self._versions = library_versions()
        self.prepare = self._add_prepare(datasets)

    def stage(
        self, spec: StageSpec, who: str, parent: str = "", method_file: Path | None = None,
        evaluate: tuple[str, ...] = (), start: Path | None = None,
    ) -> str:  # fmt: skip
        """Add a stage unless an equal one is there; ``who`` is for its title, ``evaluate`` defaults to all seen."""
        file = method_file or package_files("methods/finetune.py")[0]
        parents = (self.prepare, parent) if parent else (self.prepare,)
        job_id = self._stage_id(spec, parents, file)
        known = self.by_id.get(job_id)
        everything = tuple(dict.fromkeys((*(known.evaluate if known else ()), *(evaluate or spec.so_far))))
        beyond = self._asked(everything)
        self.by_id[job_id] = Job(
            id=job_id, kind="stage", parents=parents, title=known.title if known else _title(spec, who),
            seconds=self._seconds(spec, everything), spec=spec.model_dump(mode="json"),
            arithmetic=self._arithmetic.stages,
            code=code_of("stage", str(file)), method_file=str(file), evaluate=everything,
            start=str(start or ""), evaluate_with=self._benchmark.evaluate_with, asked=beyond,
            evaluation=digest([everything, self._benchmark.evaluate_with, evaluation_code(), *_more(beyond)])[:12],
        )  # fmt: skip
        return job_id

    def _stage_id(self, spec: StageSpec, parents: tuple[str, ...], method_file: Path) -> str:
        content = {
            "spec": spec.identity, "parents": parents, "libraries": self._versions,
            "code": training_code(method_file), "arithmetic": self._arithmetic.stages,
        }  # fmt: skip
        name = "-".join((f"stage{spec.stage}", _whole(spec) or spec.tasks[0], spec.method))
        return f"{name}-s{spec.seed}-{digest(content)[:12]}"

    def _asked(self, tasks: tuple[str, ...]) -> Asked:
        """What the definition asks of every evaluation, with what the cards of its tasks say for it."""
        metrics, cards = self._benchmark.metrics, self._resolved.tasks
        tolerances = {task: cards[task].tolerance_mm for task in tasks} if "nsd" in metrics else {}
        return Asked(metrics=metrics, tolerances=tolerances, predictions=self._benchmark.predictions == "keep")

    def _add_prepare(self, datasets: Mapping[str, RawDataset]) -> str:
        spec = PrepareSpec(
            tasks=dict(sorted(self._resolved.tasks.items())),
            backbone=self._benchmark.backbone.model_dump(mode="json", exclude={"mirror", "plans"}),
            plans=plan_policy(self._resolved),
            batch=self._benchmark.budget.batch,
            sample=self._benchmark.sample,
            splits={task: lists for task, known in sorted(self._cases.items()) if (lists := known.lists)},
            datasets={task: self._cases[task].files_of(datasets[task]) for task in sorted(datasets)},
            counts={task: (known.train, known.val) for task, known in sorted(self._cases.items())},
        )
        content = {
            "spec": spec.identity, "libraries": self._versions, "code": prepare_code(),
            "anatomy": expected_sha256(anatomy_file()) if _embedded(spec) else "",
            "arithmetic": self._arithmetic.prepare,
        }  # fmt: skip
        cases = sum(known.train + known.val for known in self._cases.values())
        job_id = f"prepare-{len(spec.tasks)}tasks-{digest(content)[:12]}"
        title = f"prepare · {len(spec.tasks)} tasks, {cases} cases"
        self.by_id[job_id] = Job(
            id=job_id, kind="prepare", parents=(), title=title, seconds=4 + 0.15 * cases,
            spec=spec.model_dump(mode="json"), code=prepare_code(), arithmetic=self._arithmetic.prepare,
        )  # fmt: skip
        return job_id

    def _seconds(self, spec: StageSpec, evaluate: tuple[str, ...]) -> float:
        """Rough: a step's cost grows with the voxels of a batch and the channels of its finest stage."""
        backbone = self._benchmark.backbone
        voxels = math.prod(backbone.patch or (96, 96, 96)) * spec.batch / (2 * 24**3)
        step: float = 0.06 * voxels * ((backbone.features or (32,))[0] / 8) ** 1.2
        factor = SLOWER.get(spec.method, 1.0)
        cases = sum(self._cases[task].val for task in evaluate)
        return spec.epochs * spec.iterations * step * factor + cases * (1 + len(spec.snapshots)) * step


def _more(asked: Asked) -> list[Any]:
    """What is asked of an evaluation beyond the usual; what asks for nothing more is no other evaluation."""
    return [asked.model_dump(mode="json", exclude_defaults=True)] if asked != Asked() else []


def _embedded(spec: PrepareSpec) -> bool:
    return any(card.source.kind == "anatomy" for card in spec.tasks.values())


def _whole(spec: StageSpec) -> str:
    """Whether a stage trains on several tasks at once, and in which protocol."""
    if len(spec.tasks) == 1:
        return ""
    return "cumulative" if spec.earlier else "joint"


def _title(spec: StageSpec, who: str) -> str:
    whole = _whole(spec)
    task = {"": spec.tasks[0], "joint": "all tasks", "cumulative": "all tasks so far"}[whole]
    place = "" if whole == "joint" else f" · stage {spec.stage}"
    share = "" if spec.fraction == 1 else f" · {spec.fraction:.0%} of the cases"
    return f"{who}{place} · {task}{share} · seed {spec.seed}"
