"""A benchmark's definition, and what it becomes once every name in it is resolved."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from clbench.definitions.anatomy_source import AnatomySource
from clbench.definitions.base import Count, Flag, Name, Natural, Record, Text
from clbench.definitions.cards import RESERVED_BASELINES, BaselineCard, Setting, TaskCard
from clbench.definitions.protocols import (
    Continual,
    Cumulative,
    Entry,
    FromScratch,
    Joint,
    Protocols,
    Schedule,
    Start,
    Transfer,
    Values,
)
from clbench.definitions.scenarios import SCENARIOS, Scenario
from clbench.definitions.sections import (
    Backbone,
    Budget,
    CaseLists,
    Epoch,
    Evaluation,
    Heads,
    Iterations,
    Metrics,
    NewHead,
    Optimizer,
    PlansFrom,
    Sample,
    Watch,
)
from clbench.definitions.sources import DatalistSource, KitsSource, MsdSource, NnunetSource, Source
from clbench.definitions.subset import Subset

__all__ = [
    "RESERVED_BASELINES",
    "AnatomySource",
    "Backbone",
    "BaselineCard",
    "Benchmark",
    "Budget",
    "CaseLists",
    "Continual",
    "Cumulative",
    "DatalistSource",
    "Entry",
    "Epoch",
    "Files",
    "FromScratch",
    "Heads",
    "Iterations",
    "Joint",
    "KitsSource",
    "MsdSource",
    "NnunetSource",
    "Optimizer",
    "PlansFrom",
    "Protocols",
    "Resolved",
    "Sample",
    "Scenario",
    "Schedule",
    "Setting",
    "Source",
    "Start",
    "TaskCard",
    "Transfer",
    "Values",
    "Variant",
]


class Benchmark(Record):
    """Which tasks in which order, by which protocols and baselines, on which budget and seeds."""

    name: Name
    """Its name, the same as its file's."""
    version: Count
    """Counts up whenever results would change."""
    title: Text
    """One line for people."""
    extends: Text | None = None
    """Another definition whose keys hold wherever this one does not write its own."""
    scenario: Scenario
    """What a stage adds: a task with its own head, known when it is tested; the same labels from another domain,
    under one head; or classes to one softmax, with no task known when it is tested."""
    sequence: tuple[str, ...] = Field(min_length=1)
    """The tasks in the order in which they are learnt."""
    orders: tuple[tuple[str, ...], ...] = ()
    """Further orders of the same tasks, in which all baselines of the continual protocol learn them too."""
    heads: Heads = Heads()
    """What becomes of the heads."""
    backbone: Backbone
    """The network and its grid."""
    optimizer: Optimizer = Optimizer()
    """How it is trained."""
    budget: Budget
    """How long it is trained."""
    sample: Sample = Sample()
    """Which cases are used."""
    metrics: Metrics = ("dice",)
    """What is measured of a case: Dice, and if asked for the normalised surface Dice (``nsd``) within the task's
    ``tolerance_mm`` and the 95 % Hausdorff distance (``hd95``)."""
    monitor: Watch | None = None
    """``{every: N}``: every N epochs all tasks so far are measured with their own heads, for curves within stages."""
    predictions: Literal["keep"] | None = None
    """``keep``: the predicted label maps of all reported cases stay in the store, for pictures and viewers."""
    protocols: Protocols
    """What is run."""
    seeds: tuple[Natural, ...] = Field(min_length=1)
    """Everything is run once for each seed."""

    @property
    def all_orders(self) -> tuple[tuple[str, ...], ...]:
        """The sequence, then the further orders."""
        return (self.sequence, *self.orders)

    def sample_of(self, task: str) -> Sample:
        """Which cases of a task are used."""
        return self.sample.of_sequence if task in self.sequence else self.sample.of_targets

    @property
    def new_head(self) -> NewHead:
        """How a new stage's head begins."""
        return self.heads.new_stage or SCENARIOS[self.scenario].new_stage[0]

    @property
    def evaluate_with(self) -> Evaluation:
        """The head that a task is evaluated with."""
        return self.heads.evaluate_with or SCENARIOS[self.scenario].evaluate_with[0]


class Variant(Record):
    """A baseline as one run of the sequence uses it."""

    name: str
    """The card's name; where the definition writes settings, they follow as ``[setting=value,…]``."""
    card: Name
    """The card's name."""
    version: Count
    """The card's version."""
    title: Text
    """The card's title."""
    method: Name
    """The method's name."""
    method_file: Path
    """The method's source file."""
    watches_first_stage: Flag
    """Whether the first stage differs from plain training."""
    scenarios: tuple[Scenario, ...]
    """The scenarios that the method is defined for."""
    settings: dict[str, Setting]
    """Every setting of the method, defaults filled in."""


class Files(Record):
    """The files that a resolved definition was read from."""

    benchmark: tuple[Path, ...]
    """The definition's own file, then those that it extends."""
    tasks: dict[str, Path]
    """Each task's card."""
    baselines: dict[str, Path]
    """Each baseline's card."""
    checkpoints: dict[str, Path]
    """Each checkpoint that a transfer starts from, by the name that it has there."""
    plans: Path | None = None
    """The plans file of nnU-Net that the backbone names, if it names one."""


class Resolved(Record):
    """A definition in which every name is known and every check has passed."""

    benchmark: Benchmark
    """The definition, with what it extends applied."""
    tasks: dict[str, TaskCard]
    """The cards of the sequence and of the transfer targets."""
    baselines: tuple[Variant, ...]
    """The continual baselines, one entry a variant."""
    files: Files
    """Where all of it was read from."""
    subset_of: Subset | None = None
    """The definition that it extends and shrinks, if it does."""
