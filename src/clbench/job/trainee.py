"""What a stage's training is made of, read from its row in the plan and the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from clbench.arithmetic import CUDA
from clbench.data.splits import inner_split
from clbench.errors import CorruptArtifact
from clbench.job.prepared import Prepared
from clbench.known_answer import arithmetic_here
from clbench.network.batch import Batch
from clbench.nnunet import checkpoint
from clbench.nnunet.parts import NnunetParts
from clbench.plan import Job, StageSpec
from clbench.store import JobFolder

INITIALISE, BEGIN, TRAIN, DECK, METHOD, SELECT, AUGMENT = range(7)
"""What a stage draws random numbers for: each has a stream of its own, so that none disturbs another."""


@dataclass(frozen=True)
class Trainee:
    """What a stage's training is made of.

    Attributes:
        job: its row in the plan.
        spec: what the row says.
        folder: where its artifacts go.
        parent: the previous stage's folder, if there is one.
        prepared: the benchmark's data.
        device: where it trains.
        workers: processes that load batches ahead of the training; 0 means none but its own.
    """

    job: Job
    spec: StageSpec
    folder: JobFolder
    parent: JobFolder | None
    prepared: Prepared
    device: torch.device
    workers: int = 0

    def parts(self, task: str) -> NnunetParts:
        """nnU-Net's parts for a task by itself."""
        return NnunetParts(self.prepared.plans, self.prepared.tasks[task].dataset_json, self.device)

    def predicting(self, task: str) -> NnunetParts:
        """nnU-Net's parts for what predicts a task: with joined heads, all classes so far."""
        description = self.prepared.tasks[task].dataset_json
        if self.spec.heads == "joined":
            labels = [label for each in self.spec.so_far for label in self.prepared.tasks[each].labels]
            numbered = {name: number for number, name in enumerate(("background", *labels))}
            description = {**description, "labels": numbered}
        return NnunetParts(self.prepared.plans, description, self.device)

    def learnt_cases(self, task: str) -> tuple[str, ...]:
        """The training cases of a task that networks are trained on."""
        cases = self.prepared.tasks[task].train
        return inner_split(cases)[0] if self.spec.checkpoint == "best" else cases

    def selection_cases(self, task: str) -> tuple[str, ...]:
        """The cases of a task that choose among a stage's models; none where the last one is kept."""
        prepared = self.prepared.tasks[task]
        return {"final": (), "best": inner_split(prepared.train)[1], "best-as-original": prepared.val}[
            self.spec.checkpoint
        ]

    @property
    def shift(self) -> dict[str, int]:
        """By task, how far its labels lie from their places among the classes of its head."""
        tasks, shift = self.spec.so_far, {}
        for index, task in enumerate(tasks):
            before = tasks[:index] if self.spec.heads == "joined" else ()
            shift[task] = sum(len(self.prepared.tasks[other].labels) for other in before)
        return shift

    @property
    def arithmetic(self) -> str:
        """Whose bits its results have: the device's, or those of this process."""
        cuda = self.device.type == "cuda"
        return f"{CUDA}: {torch.cuda.get_device_name(self.device)}" if cuda else arithmetic_here()

    @property
    def memory_format(self) -> torch.memory_format:
        """Channels last is faster on CPU; on CUDA as nnU-Net does."""
        return torch.contiguous_format if self.device.type == "cuda" else torch.channels_last_3d

    def place(self, batch: Batch) -> Batch:
        """A batch where and as the network takes it."""
        return batch.to(self.device, self.memory_format)

    def stream(self, purpose: int) -> list[int]:
        """The seed of one of the stage's random streams."""
        return [self.spec.seed, self.spec.stage, purpose]


def load_model(folder: JobFolder, name: str) -> dict[str, Any]:
    """A finished stage's checkpoint, checked against the checksums in its ``trained`` document.

    Raises:
        CorruptArtifact: it is missing or damaged.
    """
    if folder.check("trained") is None:
        raise CorruptArtifact(folder.path / "trained.json", "is missing")
    return checkpoint.load(folder.path / "model" / "fold_0" / f"{name}.pth")


def read_memory(trainee: Trainee) -> dict[str, Any] | None:
    """What the method remembered at the end of the previous stage, if that stage was its own."""
    if trainee.parent is None or not (trainee.parent.path / "memory.pth").exists():
        return None
    return checkpoint.load(trainee.parent.path / "memory.pth")
