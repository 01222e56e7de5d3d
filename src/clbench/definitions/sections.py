"""The sections of a benchmark's definition that say how training goes and on which cases."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from clbench.definitions.base import Count, Flag, Float, Natural, Positive, Record, Text

NewHead = Literal["reinit", "copy-last", "shared", "grow"]
Evaluation = Literal["own", "last"]
Metric = Literal["dice", "nsd", "hd95"]


Checkpoint = Literal["final", "best", "best-as-original"]


class Heads(Record):
    """What becomes of the segmentation layers along a sequence; what is left out is the scenario's own."""

    new_stage: NewHead | None = None
    """How a new stage's head begins: freshly initialised, as a copy of the last one, as the one head that all
    tasks share, or as new classes beside the old ones in one softmax."""
    evaluate_with: Evaluation | None = None
    """The head that a task is evaluated with: its own, stored when it was learnt, or the last one."""


class PlansFrom(Record):
    """Whose plan all tasks take: that of one of them, or one that nnU-Net wrote before."""

    target: Text | None = None
    """The task whose own plan it is."""
    file: Text | None = None
    """A plans file of nnU-Net, relative to the definition that names it."""

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.target is None) == (self.file is None):
            raise ValueError("must name one of the two, {target: TASK} or {file: PATH}")
        return self


def _plans_kind(value: Any) -> str:
    return "<from>" if isinstance(value, dict | PlansFrom) else "<policy>"


Plans = Annotated[
    Annotated[Literal["shared", "target", "first", "median"], Tag("<policy>")] | Annotated[PlansFrom, Tag("<from>")],
    Discriminator(_plans_kind),
]
"""A policy by its name, or the task or file that a plan is taken from."""


def _with_a_weighted_output(features: tuple[int, ...]) -> tuple[int, ...]:
    if len(features) < 3:
        raise ValueError(
            f"has {len(features)} stages and must have 3 at least: nnU-Net's deep supervision leaves the two "
            "coarsest out of the loss, so that nothing would be trained"
        )
    return features


Features = Annotated[
    tuple[Count, ...], AfterValidator(_with_a_weighted_output), Field(json_schema_extra={"minItems": 3})
]
"""``nnUNetTrainer._build_loss``: every stage but the coarsest has an output, and the last output's weight is 0."""


class Backbone(Record):
    """The network and the grid it works on; what is left out is nnU-Net's own choice."""

    configuration: Literal["3d_fullres", "3d_lowres"]
    """The nnU-Net configuration."""
    plans: Plans = "shared"
    """Where the one plan of all tasks comes from: their training cases together (``shared``), the held-out task's
    own (``target``), the first task's own (``first``), their medians (``median``), a named task or a file."""
    spacing: tuple[Positive, Positive, Positive] | None = None
    """Voxel size in mm."""
    patch: tuple[Count, Count, Count] | None = None
    """Patch size in voxels."""
    features: Features | None = None
    """Feature maps of each stage of the encoder, the finest first."""
    intensities_from: Literal["original", "labels"] = "original"
    """Whose voxels give the intensity statistics that CT is normalised by: all that the source's files label, or
    those of the task's labels alone."""
    mirror: Flag = True
    """Whether training and prediction mirror along the axes."""


class Optimizer(Record):
    """SGD with Nesterov momentum and polynomial decay; the defaults are nnU-Net's."""

    lr: Positive = 0.01
    """Initial learning rate."""
    momentum: Annotated[Float, Field(ge=0, lt=1)] = 0.99
    """Nesterov momentum."""
    weight_decay: Annotated[Float, Field(ge=0)] = 3e-5
    """L2 weight decay."""
    warmup: Natural = 0
    """Iterations over which the learning rate rises linearly to its initial value."""


class Iterations(Record):
    """An epoch of a fixed number of iterations, as in nnU-Net."""

    iterations: Count
    """Iterations an epoch."""


def _epoch_kind(value: Any) -> str:
    return "<iterations>" if isinstance(value, dict | Iterations) else "<cases>"


Epoch = Annotated[
    Annotated[Literal["cases"], Tag("<cases>")] | Annotated[Iterations, Tag("<iterations>")],
    Discriminator(_epoch_kind),
]


class Budget(Record):
    """How long a stage trains."""

    epochs: Count
    """Epochs a stage."""
    epoch: Epoch = "cases"
    """``cases``: each training case once, int(cases / batch) iterations; or ``{iterations: N}``."""
    batch: Count = 2
    """Patches an iteration."""
    checkpoint: Checkpoint = "final"
    """The model that a stage ends with: the last; the best by cases set aside from the training cases; or the best by
    the very cases that are reported, as the original code does, which is stamped in every table."""

    def trained_on(self, cases: int) -> int:
        """How many of a task's training cases are trained on."""
        return trained_on(cases) if self.checkpoint == "best" else cases


class Watch(Record):
    """Online evaluation within a stage."""

    every: Count
    """Every how many epochs."""


CaseId = Annotated[str, Field(min_length=1)]


def _with_dice(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    if "dice" not in metrics or len(set(metrics)) < len(metrics):
        raise ValueError("must name dice, which every table is about, and each metric once")
    return metrics


Metrics = Annotated[tuple[Metric, ...], AfterValidator(_with_dice)]
"""What is measured of a case; the volumes always are."""


class CaseLists(Record):
    """A task's cases by their ids."""

    train: Annotated[tuple[CaseId, ...], Field(min_length=1)]
    """The training cases."""
    val: Annotated[tuple[CaseId, ...], Field(min_length=1)]
    """The cases that are reported."""


class SplitFile(Record):
    """One fold of a JSON file such as nnU-Net's ``splits_final.json``."""

    file: CaseId
    """The file, relative to the definition that names it."""
    fold: Natural = 0
    """Which of its folds."""


def _ids_kind(value: Any) -> str:
    return "<file>" if isinstance(value, SplitFile) or (isinstance(value, dict) and "file" in value) else "<lists>"


Ids = Annotated[
    Annotated[CaseLists, Tag("<lists>")] | Annotated[SplitFile, Tag("<file>")], Discriminator(_ids_kind)
]


class Sample(Record):
    """Which of a task's cases are used."""

    train: Count | None = None
    """Training cases drawn from each task's training pool; left out: all of it."""
    val: Count | None = None
    """Validation cases drawn from each task's validation pool; left out: all of it."""
    seed: Natural | None = None
    """Seed of the draw; required where something is drawn."""
    split: Literal["last-fifth", "inner-fifth"] = "last-fifth"
    """The validation pool: the last fifth of the sorted cases, or the last fifth of the rest of them."""
    at_most: Flag = False
    """Whether a task with a smaller pool gives all that it has, instead of being refused."""
    fold: Literal["all"] | None = None
    """``all``: the tasks of the sequence are trained on with every case that they have, as nnU-Net's fold of that
    name, and are not evaluated; what else stands here is said of the transfer's targets."""

    ids: dict[str, Ids] = Field(default_factory=dict)
    """By task, the ids of its cases where they are listed; such a task is neither split nor drawn from."""

    @property
    def of_targets(self) -> Sample:
        """Which cases of a transfer's targets are used."""
        return self.model_copy(update={"fold": None})

    @property
    def of_sequence(self) -> Sample:
        """Which cases of the sequence's tasks are used."""
        return self.model_copy(update={"train": None, "val": None}) if self.fold else self

    def listed(self, task: str) -> CaseLists | None:
        """A task's cases where the definition lists them."""
        lists = self.ids.get(task)
        assert not isinstance(lists, SplitFile), "files are read when the definition is resolved"
        return lists

    def pools(self, cases: int) -> tuple[range, range]:
        """The training and the validation pool, as positions in the sorted list of ``cases`` cases."""
        if self.fold == "all":
            return range(cases), range(0)
        train, val = _last_fifth(range(cases))
        return (train, val) if self.split == "last-fifth" else _last_fifth(train)

    def counts(self, task: str, cases: int) -> tuple[int, int]:
        """How many training and validation cases are used of a task that has ``cases`` cases."""
        if lists := self.listed(task):
            return len(lists.train), len(lists.val)
        train, val = map(len, self.pools(cases))
        return min(self.train or train, train), min(self.val or val, val)


def trained_on(cases: int) -> int:
    """How many of some cases are left when the last fifth is set aside."""
    return int(0.8 * cases)


def _last_fifth(pool: range) -> tuple[range, range]:
    cut = trained_on(len(pool))
    return pool[:cut], pool[cut:]
