"""A resolved definition becomes a plan: what each protocol trains, from what, and in which line it counts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal

from clbench.data.dataset import RawDataset
from clbench.definitions.models import Resolved, Variant
from clbench.definitions.protocols import Schedule, tuned
from clbench.definitions.sections import NewHead
from clbench.plan.cases import known_cases
from clbench.plan.jobs import Arithmetics, Jobs
from clbench.plan.records import Plan, StageSpec, Use
from clbench.store import file_digest


def make_plan(
    resolved: Resolved, store: Path, datasets: Mapping[str, RawDataset] | None = None,
    arithmetic: Arithmetics | None = None,
) -> Plan:  # fmt: skip
    """Expand a resolved definition into jobs; equal work becomes one job, whoever asks for it.

    Args:
        resolved: the definition.
        store: the folder of the jobs' artifacts.
        datasets: the raw data of tasks that are not embedded, of those that are there.
        arithmetic: of the jobs; that of this process if None.

    Raises:
        DefinitionError: the datasets do not have the cases that the definition asks for.
        MissingEnvironment: how many cases a task has can't be known without its data.
    """
    planner = _Planner(resolved, datasets or {}, arithmetic or Arithmetics())
    for seed in resolved.benchmark.seeds:
        planner.add_seed(seed)
    jobs, uses = tuple(planner.jobs.by_id.values()), tuple(planner.uses)
    return Plan(jobs=jobs, uses=uses, resolved=resolved, store=str(store.resolve()))


class _Planner:
    """Walks through the protocols of a definition."""

    def __init__(
        self, resolved: Resolved, datasets: Mapping[str, RawDataset], arithmetic: Arithmetics
    ) -> None:
        self.resolved, self.benchmark = resolved, resolved.benchmark
        self.cases = known_cases(resolved, datasets)
        self.jobs = Jobs(resolved, self.cases, datasets, arithmetic)
        self.uses: list[Use] = []
        self.digests = {name: file_digest(file) for name, file in resolved.files.checkpoints.items()}

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
        return self.jobs.stage(self._spec((task,), seed, snapshots=self._snapshots(task)), "from scratch")

    def _joint(self, budget: str, seed: int) -> str:
        tasks = self.benchmark.sequence
        per_task = [self._iterations(task) for task in tasks]
        total = sum(per_task) if budget == "full" else round(sum(per_task) / len(per_task))
        spec = self._spec(tasks, seed, iterations=total, heads=self.layout)
        return self.jobs.stage(spec, "joint" if budget == "full" else "joint-equal")

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
                parent = self.jobs.stage(spec, self._who(variant.name, order), parent, variant.method_file)
            else:
                parent = self.jobs.stage(spec, "from scratch")
            self._use("continual", variant.name, parent, order)
        return parent

    def _cumulative(self, tasks: tuple[str, ...], order: int, seed: int) -> None:
        """Stages that begin at the previous one and train on the cases of all tasks so far, the new one first."""
        parent = ""
        for index, task in enumerate(tasks):
            known = (task, *tasks[:index])
            total = sum(self._iterations(one) for one in known)
            spec = self._spec(known, seed, iterations=total, **self._place(tasks, index))
            parent = self.jobs.stage(spec, self._who("cumulative", order) if index else "from scratch", parent)
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
                self._use("transfer", "from-scratch", self.jobs.stage(scratch, "from scratch"))
                later = scratch.model_copy(update={"stage": len(self.benchmark.sequence) + 1})
                for name, schedule in product(transfer.backbones, transfer.all_schedules):
                    self._finetune(tuned(name, schedule), _scheduled(later, schedule), name, ends.get(name, ""))

    def _finetune(self, who: str, spec: StageSpec, backbone: str, parent: str) -> None:
        """Training a target from a backbone: the end of a sequence, or a checkpoint from elsewhere."""
        start = self.resolved.files.checkpoints.get(backbone)
        origin = {"start": self.digests[backbone]} if start else {"earlier": self.benchmark.sequence}
        stage = spec.model_copy(update={**origin, "monitor": 0})
        job = self.jobs.stage(stage, f"transfer from {who}", parent, evaluate=stage.tasks, start=start)
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

    def _use(self, protocol: str, baseline: str, job_id: str, order: int = 1) -> None:
        spec = StageSpec.model_validate(self.jobs.by_id[job_id].spec)
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


def _scheduled(spec: StageSpec, schedule: Schedule) -> StageSpec:
    """A fine-tuning on a schedule; an epoch that it does not reach is not kept."""
    written = {"lr": schedule.lr, "warmup": schedule.warmup, "epochs": schedule.epochs}
    update: dict[str, Any] = {key: value for key, value in written.items() if value is not None}
    last = schedule.epochs or spec.epochs
    snapshots = tuple(epoch for epoch in spec.snapshots if epoch < last)
    update |= {"head_first": schedule.head_first, "freeze": schedule.freeze, "snapshots": snapshots}
    return spec.model_copy(update=update)
