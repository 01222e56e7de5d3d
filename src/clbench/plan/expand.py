"""A resolved definition becomes a graph of jobs; a job's id is a hash of everything that determines its output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal

from clbench.data.anatomy import anatomy_file, expected_sha256
from clbench.data.dataset import RawDataset
from clbench.definitions.models import Resolved, Variant
from clbench.definitions.protocols import Schedule, tuned
from clbench.definitions.sections import NewHead
from clbench.identity import library_versions, package_files
from clbench.plan.cases import known_cases
from clbench.plan.code import code_of, evaluation_code, prepare_code, training_code
from clbench.plan.policy import plan_policy
from clbench.plan.records import Asked, Job, Plan, PrepareSpec, StageSpec, Use
from clbench.store import digest, file_digest

SLOWER = {"gpm": 1.2, "lwf": 1.3, "mib": 1.3, "pseudo_labels": 1.4, "der": 1.7, "plop": 1.9, "agem": 2.0}
"""A step's cost beside fine-tuning's, where a method's is more (docs/performance.md)."""


def make_plan(resolved: Resolved, store: Path, datasets: Mapping[str, RawDataset] | None = None) -> Plan:
    """Expand a resolved definition into jobs; equal work becomes one job, whoever asks for it.

    Args:
        resolved: the definition.
        store: the folder of the jobs' artifacts.
        datasets: the raw data of tasks that are not embedded, of those that are there.

    Raises:
        DefinitionError: the datasets do not have the cases that the definition asks for.
        MissingEnvironment: how many cases a task has can't be known without its data.
    """
    planner = _Planner(resolved, datasets or {})
    for seed in resolved.benchmark.seeds:
        planner.add_seed(seed)
    return Plan(
        jobs=tuple(planner.jobs.values()), uses=tuple(planner.uses), resolved=resolved, store=str(store.resolve())
    )


class _Planner:
    """Collects the jobs of a plan."""

    def __init__(self, resolved: Resolved, datasets: Mapping[str, RawDataset]) -> None:
        self.resolved, self.benchmark = resolved, resolved.benchmark
        self.cases = known_cases(resolved, datasets)
        self.datasets = datasets
        self.jobs: dict[str, Job] = {}
        self.uses: list[Use] = []
        self.versions = library_versions()
        self.digests = {name: file_digest(file) for name, file in resolved.files.checkpoints.items()}
        self.prepare = self._add_prepare()

    def add_seed(self, seed: int) -> None:
        """Everything that is run once for a seed."""
        protocols, sequence = self.benchmark.protocols, self.benchmark.sequence
        ends: dict[str, str] = {}
        if protocols.from_scratch is not None:
            for task in sequence:
                self._use("from-scratch", "from-scratch", self._scratch(task, seed))
        if protocols.joint is not None:
            for budget in protocols.joint.budgets:
                name = "joint" if budget == "full" else "joint-equal"
                ends[name] = self._joint(budget, seed)
                self._use("joint", name, ends[name])
        for order, tasks in enumerate(self.benchmark.all_orders, start=1):
            if protocols.cumulative is not None:
                self._cumulative(tasks, order, seed)
            for variant in self.resolved.baselines:
                end = self._chain(variant, tasks, order, seed)
                ends.setdefault(variant.name, end)
        if protocols.transfer is not None:
            self._transfers(seed, ends)

    def _scratch(self, task: str, seed: int) -> str:
        """Training a task alone; for a transfer target, with the models its curve needs."""
        return self._stage(self._spec((task,), seed, snapshots=self._snapshots(task)), "from scratch")

    def _joint(self, budget: str, seed: int) -> str:
        tasks = self.benchmark.sequence
        per_task = [self._iterations(task) for task in tasks]
        total = sum(per_task) if budget == "full" else round(sum(per_task) / len(per_task))
        spec = self._spec(tasks, seed, iterations=total, heads=self.layout)
        return self._stage(spec, "joint" if budget == "full" else "joint-equal")

    def _chain(self, variant: Variant, tasks: tuple[str, ...], order: int, seed: int) -> str:
        """The stages of a sequence; the first is plain training unless the method watches it."""
        parent = ""
        for index, task in enumerate(tasks):
            spec = self._spec((task,), seed, **self._place(tasks, index))
            if index > 0 or variant.watches_first_stage:
                heads: Any = self.layout
                spec = spec.model_copy(
                    update={"heads": heads, "method": variant.method, "settings": dict(variant.settings)}
                )
                parent = self._stage(spec, self._who(variant.name, order), parent, variant.method_file)
            else:
                parent = self._stage(spec, "from scratch")
            self._use("continual", variant.name, parent, order)
        return parent

    def _cumulative(self, tasks: tuple[str, ...], order: int, seed: int) -> None:
        """Stages that begin at the previous one and train on the cases of all tasks so far, the new one first."""
        parent = ""
        for index, task in enumerate(tasks):
            known = (task, *tasks[:index])
            total = sum(self._iterations(one) for one in known)
            spec = self._spec(known, seed, iterations=total, **self._place(tasks, index))
            parent = self._stage(spec, self._who("cumulative", order) if index else "from scratch", parent)
            self._use("cumulative", "cumulative", parent, order)

    def _who(self, name: str, order: int) -> str:
        return f"{name} · order {order}" if self.benchmark.orders else name

    def _place(self, tasks: tuple[str, ...], index: int) -> dict[str, Any]:
        """What a stage's place in its sequence says of it; the first has a head of its own in any scenario."""
        if index == 0:
            return {}
        new_head = "copy-last" if self.benchmark.new_head == "copy-last" else "reinit"
        return {"earlier": tasks[:index], "stage": index + 1, "heads": self.layout, "new_head": new_head}

    @property
    def layout(self) -> Literal["own", "shared", "joined"]:
        """How the tasks' heads lie beside each other."""
        layouts: dict[NewHead, Literal["own", "shared", "joined"]] = {"shared": "shared", "grow": "joined"}
        return layouts.get(self.benchmark.new_head, "own")

    def _transfers(self, seed: int, ends: dict[str, str]) -> None:
        transfer = self.benchmark.protocols.transfer
        assert transfer is not None
        for target in transfer.targets:
            for fraction in transfer.fractions:
                scratch = self._spec((target,), seed, snapshots=self._snapshots(target), fraction=fraction)
                self._use("transfer", "from-scratch", self._stage(scratch, "from scratch"))
                later = scratch.model_copy(update={"stage": len(self.benchmark.sequence) + 1})
                for name, schedule in product(transfer.backbones, transfer.all_schedules):
                    self._finetune(tuned(name, schedule), _scheduled(later, schedule), name, ends.get(name, ""))

    def _finetune(self, who: str, spec: StageSpec, backbone: str, parent: str) -> None:
        """Training a target from a backbone: the end of a sequence, or a checkpoint from elsewhere."""
        start = self.resolved.files.checkpoints.get(backbone)
        origin = {"start": self.digests[backbone]} if start else {"earlier": self.benchmark.sequence}
        stage = spec.model_copy(update={**origin, "monitor": 0})
        job = self._stage(stage, f"transfer from {who}", parent, evaluate=stage.tasks, start=start)
        self._use("transfer", who, job)

    def _snapshots(self, task: str) -> tuple[int, ...]:
        transfer, last = self.benchmark.protocols.transfer, self.benchmark.budget.epochs
        if transfer is None or task not in transfer.targets:
            return ()
        return tuple(sorted(epoch for epoch in set(transfer.epochs or ()) if epoch < last))

    def _iterations(self, task: str) -> int:
        """Steps in an epoch: each training case once, or as many as the definition says."""
        budget = self.benchmark.budget
        if budget.epoch != "cases":
            return budget.epoch.iterations
        return max(1, budget.trained_on(self.cases[task].train) // budget.batch)

    def _spec(self, tasks: tuple[str, ...], seed: int, iterations: int | None = None, **more: Any) -> StageSpec:
        budget, optimizer, monitor = self.benchmark.budget, self.benchmark.optimizer, self.benchmark.monitor
        watched = monitor is not None and set(tasks) <= set(self.benchmark.sequence)
        return StageSpec(
            monitor=monitor.every if monitor is not None and watched else 0,
            tasks=tasks, seed=seed, epochs=budget.epochs, batch=budget.batch,
            iterations=self._iterations(tasks[0]) if iterations is None else iterations,
            lr=optimizer.lr, momentum=optimizer.momentum, weight_decay=optimizer.weight_decay,
            warmup=optimizer.warmup, mirror=self.benchmark.backbone.mirror, checkpoint=budget.checkpoint, **more,
        )  # fmt: skip

    def _stage(
        self, spec: StageSpec, who: str, parent: str = "", method_file: Path | None = None,
        evaluate: tuple[str, ...] = (), start: Path | None = None,
    ) -> str:  # fmt: skip
        """Add a stage unless an equal one is there; ``who`` is for its title, ``evaluate`` defaults to all seen."""
        file = method_file or package_files("methods/finetune.py")[0]
        parents = (self.prepare, parent) if parent else (self.prepare,)
        content = {
            "spec": spec.identity, "parents": parents, "libraries": self.versions,
            "code": training_code(file),
        }  # fmt: skip
        name = "-".join((f"stage{spec.stage}", _whole(spec) or spec.tasks[0], spec.method))
        job_id = f"{name}-s{spec.seed}-{digest(content)[:12]}"
        asked = evaluate or spec.so_far
        known = self.jobs.get(job_id)
        everything = tuple(dict.fromkeys((*(known.evaluate if known else ()), *asked)))
        beyond = self._asked(everything)
        self.jobs[job_id] = Job(
            id=job_id, kind="stage", parents=parents, title=known.title if known else _title(spec, who),
            seconds=self._seconds(spec, everything), spec=spec.model_dump(mode="json"),
            code=code_of("stage", str(file)), method_file=str(file), evaluate=everything,
            start=str(start or ""),
            evaluate_with=self.benchmark.evaluate_with,
            asked=beyond,
            evaluation=digest([everything, self.benchmark.evaluate_with, evaluation_code(), *_more(beyond)])[:12],
        )  # fmt: skip
        return job_id

    def _asked(self, tasks: tuple[str, ...]) -> Asked:
        """What the definition asks of every evaluation, with what the cards of its tasks say for it."""
        metrics, cards = self.benchmark.metrics, self.resolved.tasks
        tolerances = {task: cards[task].tolerance_mm for task in tasks} if "nsd" in metrics else {}
        return Asked(metrics=metrics, tolerances=tolerances, predictions=self.benchmark.predictions == "keep")

    def _add_prepare(self) -> str:
        spec = PrepareSpec(
            tasks=dict(sorted(self.resolved.tasks.items())),
            backbone=self.benchmark.backbone.model_dump(mode="json", exclude={"mirror", "plans"}),
            plans=plan_policy(self.resolved),
            batch=self.benchmark.budget.batch,
            sample=self.benchmark.sample,
            splits={task: lists for task, known in sorted(self.cases.items()) if (lists := known.lists)},
            datasets={task: self.cases[task].files_of(self.datasets[task]) for task in sorted(self.datasets)},
            counts={task: (known.train, known.val) for task, known in sorted(self.cases.items())},
        )
        content = {
            "spec": spec.identity, "libraries": self.versions, "code": prepare_code(),
            "anatomy": expected_sha256(anatomy_file()) if _embedded(spec) else "",
        }  # fmt: skip
        cases = sum(known.train + known.val for known in self.cases.values())
        job_id = f"prepare-{len(spec.tasks)}tasks-{digest(content)[:12]}"
        title = f"prepare · {len(spec.tasks)} tasks, {cases} cases"
        self.jobs[job_id] = Job(
            id=job_id, kind="prepare", parents=(), title=title, seconds=4 + 0.15 * cases,
            spec=spec.model_dump(mode="json"), code=prepare_code(),
        )  # fmt: skip
        return job_id

    def _use(self, protocol: str, baseline: str, job_id: str, order: int = 1) -> None:
        spec = StageSpec.model_validate(self.jobs[job_id].spec)
        self.uses.append(
            Use(
                protocol=protocol,
                baseline=baseline,
                seed=spec.seed,
                order=order,
                stage=spec.stage,
                trained_on="+".join(spec.so_far if protocol == "cumulative" else spec.tasks),
                fraction=spec.fraction,
                job=job_id,
            )
        )

    def _seconds(self, spec: StageSpec, evaluate: tuple[str, ...]) -> float:
        """Rough: a step's cost grows with the voxels of a batch and the channels of its finest stage."""
        backbone = self.benchmark.backbone
        voxels = math.prod(backbone.patch or (96, 96, 96)) * spec.batch / (2 * 24**3)
        step: float = 0.06 * voxels * ((backbone.features or (32,))[0] / 8) ** 1.2
        factor = SLOWER.get(spec.method, 1.0)
        cases = sum(self.cases[task].val for task in evaluate)
        return spec.epochs * spec.iterations * step * factor + cases * (1 + len(spec.snapshots)) * step


def _scheduled(spec: StageSpec, schedule: Schedule) -> StageSpec:
    """A fine-tuning on a schedule; an epoch that it does not reach is not kept."""
    written = {"lr": schedule.lr, "warmup": schedule.warmup, "epochs": schedule.epochs}
    update: dict[str, Any] = {key: value for key, value in written.items() if value is not None}
    last = schedule.epochs or spec.epochs
    snapshots = tuple(epoch for epoch in spec.snapshots if epoch < last)
    update |= {"head_first": schedule.head_first, "freeze": schedule.freeze, "snapshots": snapshots}
    return spec.model_copy(update=update)


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
