"""Where the tiny stages are trained: each once, whoever asks for it, in this process and without evaluation."""

from __future__ import annotations

import shutil
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from clbench.conformance.finding import find_variant
from clbench.conformance.tiny import LENGTH, resolved
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import Scenario, Variant
from clbench.job.prepare import prepare
from clbench.job.progress import Progress
from clbench.job.stage import trainee_of
from clbench.job.train import train
from clbench.job.trainee import Trainee, load_model
from clbench.nnunet.checkpoint import load
from clbench.plan import Job, Plan
from clbench.plan.expand import make_plan
from clbench.store import JobFolder, Json, Store


@dataclass(frozen=True)
class Trained:
    """A stage whose training is done.

    Attributes:
        trainee: what it was made of.
        document: cost, evidence, losses and files, as its ``trained`` document has them.
    """

    trainee: Trainee
    document: Json

    @cached_property
    def model(self) -> dict[str, Any]:
        """Its checkpoint."""
        return load_model(self.trainee.folder, "checkpoint_final")

    @property
    def learnt(self) -> dict[str, Any]:
        """The weights of the network that predicts its task, and those of every head."""
        return {"network": self.model["network_weights"], "heads": self.model["clbench"]["heads"]}

    @property
    def memory_file(self) -> Path:
        """Where the method's memory is, if there is one."""
        return self.trainee.folder.path / "memory.pth"

    @property
    def memory(self) -> dict[str, Any] | None:
        """What the method remembered at its end."""
        return load(self.memory_file) if self.memory_file.exists() else None

    @property
    def evidence(self) -> Json:
        """``expected``, ``inert`` and ``numbers``."""
        return dict(self.document["evidence"])


class Laboratory:
    """A store of tiny trainings."""

    def __init__(self, root: Path) -> None:
        """Work in a folder; what an earlier laboratory trained there is not trained again."""
        self.root, self.store = root, Store(root / "store")
        self._plans: dict[tuple[str, str, int], Plan] = {}
        self._trained: dict[str, Trained] = {}
        self._plain = find_variant("finetune", Catalogue.open())
        torch.set_num_threads(1)

    def finetune(self, scenario: Scenario, length: int) -> list[Trained]:
        """Plain fine-tuning, to hold the others against."""
        return self.chain(scenario, self._plain, length)

    def chain(self, scenario: Scenario, variant: Variant, length: int = LENGTH) -> list[Trained]:
        """The stages of a sequence of the first ``length`` tasks."""
        plan = self._plan(scenario, variant, length)
        jobs = {use.stage: plan.job(use.job) for use in plan.uses}
        return [self._stage(plan, jobs[stage]) for stage in sorted(jobs)]

    def _plan(self, scenario: Scenario, variant: Variant, length: int) -> Plan:
        asked = (scenario, variant.model_dump_json(), length)
        if asked not in self._plans:
            self._plans[asked] = make_plan(resolved(scenario, length, variant), self.store.root)
        return self._plans[asked]

    def _stage(self, plan: Plan, job: Job) -> Trained:
        if job.id not in self._trained:
            self._prepare(plan.job(job.parents[0]))
            trainee = trainee_of(job, self.store)
            document = trainee.folder.check("trained") or self.train(trainee)
            self._trained[job.id] = Trained(trainee, document)
        return self._trained[job.id]

    def _prepare(self, job: Job) -> None:
        folder = self.store.job(job.id)
        if folder.read("result") is None:
            folder.path.mkdir(parents=True, exist_ok=True)
            prepare(job, folder, threads=2)

    def train(self, trainee: Trainee) -> Json:
        """Train a stage from where its folder says on; what it prints goes to the folder's log."""
        trainee.folder.path.mkdir(parents=True, exist_ok=True)
        with open(trainee.folder.log, "a") as log, redirect_stdout(log):
            return train(trainee, Progress(trainee.folder, trainee.spec.epochs))

    def afresh(self, trained: Trained) -> Trainee:
        """The same stage in an empty folder of its own."""
        folder = JobFolder(self.root / "again" / trained.trainee.job.id)
        shutil.rmtree(folder.path, ignore_errors=True)
        folder.path.mkdir(parents=True)
        return replace(trained.trainee, folder=folder)
