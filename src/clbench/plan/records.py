"""What a plan is made of: frozen records, all of them in ``plan.json``."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from clbench.definitions.models import Resolved, Sample, TaskCard
from clbench.definitions.protocols import Frozen
from clbench.definitions.sections import Checkpoint, Metric


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_OPTIONAL = ("start", "head_first", "freeze", "checkpoint", "monitor")


class StageSpec(_Record):
    """Everything that determines a stage's training, but for its parents and the code."""

    tasks: tuple[str, ...]
    """What is trained on; several for joint training."""
    earlier: tuple[str, ...] = ()
    """The tasks learnt before, in order."""
    stage: int = 1
    """Counts from 1."""
    seed: int
    """The run's seed."""
    heads: Literal["own", "shared", "joined"] = "own"
    """A head per task, one for all tasks, or one softmax over the classes of all."""
    new_head: Literal["reinit", "copy-last"] = "reinit"
    """What the head of a new task begins with."""
    method: str = "finetune"
    """The method's name."""
    settings: dict[str, bool | int | float | str | None] = {}
    """Every setting of the method."""
    epochs: int
    """Epochs of ``iterations`` steps."""
    iterations: int
    """Optimiser steps in an epoch."""
    batch: int
    """Patches in a step."""
    lr: float
    """Initial learning rate."""
    momentum: float
    """Nesterov's."""
    weight_decay: float
    """L2."""
    warmup: int
    """Steps of linear warm-up."""
    mirror: bool
    """Whether training and inference mirror."""
    snapshots: tuple[int, ...] = ()
    """Epochs, before the last, after which a model is kept and evaluated too."""
    fraction: float = 1.0
    """Share of the training cases that is used."""
    start: str = ""
    """SHA-256 of the checkpoint from elsewhere whose trunk the stage begins with."""
    head_first: int = 0
    """Epochs at the start in which the head alone is trained."""
    freeze: Frozen = "none"
    """What is never trained."""
    checkpoint: Checkpoint = "final"
    """Which model the stage ends with."""
    monitor: int = 0
    """Every how many epochs all tasks so far are measured; 0 for never."""

    @property
    def identity(self) -> dict[str, Any]:
        """What determines the training; what a stage makes no use of leaves its id as it was before it existed."""
        fields = type(self).model_fields
        unused = {name for name in _OPTIONAL if getattr(self, name) == fields[name].default}
        return self.model_dump(mode="json", exclude=unused)

    @property
    def so_far(self) -> tuple[str, ...]:
        """All tasks that the stage knows, those learnt before first, each once."""
        return tuple(dict.fromkeys((*self.earlier, *self.tasks)))


class PlanPolicy(_Record):
    """Whose plan all tasks are preprocessed and trained by."""

    rule: Literal["shared", "own", "median", "file"] = "shared"
    """nnU-Net's of all training cases together, one task's own, of the datasets' medians, or a file's."""
    task: str = ""
    """Whose own."""
    document: dict[str, Any] | None = None
    """The file's content."""


class Cases(_Record):
    """A task's cases by their ids."""

    train: tuple[str, ...]
    """What is trained on."""
    val: tuple[str, ...]
    """What is reported; nothing where no case is held out."""


class CaseFiles(_Record):
    """One case's raw files."""

    images: tuple[str, ...]
    """One per channel."""
    label: str
    """In the source's numbers."""


class Dataset(_Record):
    """A task's raw data that clbench did not generate; its bytes determine what is prepared, its place does not."""

    folder: str
    """The raw dataset."""
    manifest: str
    """Digest of every case's bytes and geometry."""
    cases: dict[str, CaseFiles]
    """The files of the cases that are used."""
    notes: tuple[str, ...] = ()
    """What is odd about the data though they can be used, for people; determines nothing."""
    axes: dict[str, int] = {}
    """How many cases are read with which axes; determines nothing that the manifest does not."""


class PrepareSpec(_Record):
    """Everything that determines a benchmark's prepared data, but for the code."""

    tasks: dict[str, TaskCard]
    """The cards of every task."""
    backbone: dict[str, Any]
    """What the definition fixes of the shared plan."""
    plans: PlanPolicy = PlanPolicy()
    """Whose plan it is."""
    batch: int
    """Patches in a step, which nnU-Net keeps in its plan."""
    sample: Sample
    """By which rule cases are chosen."""
    splits: dict[str, Cases] = {}
    """The cases that are used, by task; those whose data are not there are missing, and nothing can be run."""
    datasets: dict[str, Dataset] = {}
    """Where the cases lie of every task that is not embedded."""
    counts: dict[str, tuple[int, int]] = {}
    """How many training and validation cases of every task are used, also where it is not known which."""

    @property
    def identity(self) -> dict[str, Any]:
        """What determines the data: without what is said of a task for people or for its
        evaluation, and wherever the files lie."""
        content = self.model_dump(mode="json", exclude={"counts"})
        for task, card in content["tasks"].items():
            del card["title"], card["mirrors"], card["tolerance_mm"]
            if task in self.datasets:
                del card["source"]  # which the manifest stands for, wherever the files lie
        content["datasets"] = {task: dataset.manifest for task, dataset in self.datasets.items()}
        return content


class Asked(_Record):
    """What an evaluation does beyond the Dice of every task."""

    metrics: tuple[Metric, ...] = ("dice",)
    """What is measured of a case."""
    tolerances: dict[str, float] = {}
    """Where ``nsd`` is measured, the distance in mm that it forgives, by task."""
    predictions: bool = False
    """Whether the predicted label maps are kept."""


class Job(_Record):
    """One process: what it does, what it needs first, and about how long it takes."""

    id: str
    """A readable slug and a hash."""
    kind: Literal["prepare", "stage", "certify"]
    """What it does; ``certify`` begins a stage at a reference's network, or predicts one."""
    parents: tuple[str, ...]
    """Jobs that must be done first: the preparation, then the previous stage if there is one."""
    title: str
    """For people."""
    seconds: float
    """Rough estimate on one CPU core, to order and to foretell."""
    spec: dict[str, Any]
    """A ``PrepareSpec`` or ``StageSpec``."""
    arithmetic: str = ""
    """``x86-64-v3``, ``native:`` and the type of processor, or ``cuda``: whose bits the result has."""
    code: str = ""
    """Digest of the source code that does it, so that code changed since is noticed."""
    method_file: str = ""
    """Where the method's source lies."""
    start: str = ""
    """The checkpoint from elsewhere that the stage begins with."""
    restart: str = ""
    """The folder of the reference's network that a ``certify`` job begins with; empty for a random one."""
    predict: str = ""
    """The folder of the reference's network that a ``certify`` job predicts with instead."""
    evaluate: tuple[str, ...] = ()
    """Tasks that the stage is evaluated on."""
    evaluate_with: Literal["own", "last"] = "own"
    """Whose head a task is evaluated with, where each task has one."""
    asked: Asked = Asked()
    """What the evaluation does beyond the Dice."""
    evaluation: str = ""
    """Hash of what determines the evaluation beyond the training."""


class Use(_Record):
    """Where one job's measurements stand in the rows; several uses may share a job."""

    protocol: str
    baseline: str
    seed: int
    order: int
    stage: int
    trained_on: str
    fraction: float
    job: str


class Plan(_Record):
    """Everything that a run does."""

    sha256: str = ""
    """Where the plan is a file, of its bytes with this empty."""
    jobs: tuple[Job, ...]
    """In an order in which parents come first."""
    uses: tuple[Use, ...] = ()
    """What is reported of them."""
    resolved: Resolved | None = None
    """The definition that was planned, with every name resolved."""
    store: str = ""
    """The folder that the jobs' artifacts lie in."""

    def job(self, job_id: str) -> Job:
        """A job by its id."""
        return self._by_id[job_id]

    @property
    def preparation(self) -> Job:
        """The one job that prepares the data of all others."""
        (job,) = (job for job in self.jobs if job.kind == "prepare")
        return job

    @property
    def keeps_predictions(self) -> bool:
        """Whether predicted label maps are kept."""
        return any(job.asked.predictions for job in self.jobs)

    @cached_property
    def _by_id(self) -> dict[str, Job]:
        return {job.id: job for job in self.jobs}
