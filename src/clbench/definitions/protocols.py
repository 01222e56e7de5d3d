"""The section of a benchmark's definition that says what is run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from clbench.definitions.base import Count, Float, Name, Natural, Positive, Record, Text
from clbench.definitions.cards import Setting


def _value_kind(value: Any) -> str:
    return "<list>" if isinstance(value, list | tuple) else "<value>"


def _entry_kind(value: Any) -> str:
    return "<variants>" if isinstance(value, dict) else "<name>"


Values = Annotated[
    Annotated[Setting, Tag("<value>")] | Annotated[tuple[Setting, ...], Field(min_length=1), Tag("<list>")],
    Discriminator(_value_kind),
]
"""One value of a setting, or a list of values that are tried one after another."""

Entry = Annotated[
    Annotated[str, Tag("<name>")]
    | Annotated[dict[str, dict[str, Values]], Field(min_length=1, max_length=1), Tag("<variants>")],
    Discriminator(_entry_kind),
]
"""A baseline by its card's name, or ``{CARD: {setting: value or list of values}}``."""


class FromScratch(Record):
    """Each task learnt alone, from a fresh network."""


class Joint(Record):
    """All tasks of the sequence learnt at once."""

    budgets: tuple[Literal["full", "equal"], ...] = Field(("full", "equal"), min_length=1)
    """``full``: as many iterations as the whole sequence; ``equal``: as many as one stage."""


class Cumulative(Record):
    """The tasks learnt one after another, each stage with the cases of all tasks so far."""


class Continual(Record):
    """The tasks learnt one after another."""

    baselines: tuple[Entry, ...] = Field(min_length=1)
    """The baselines that do so."""


Fraction = Annotated[Float, Field(gt=0, le=1)]
Frozen = Literal["none", "encoder", "trunk"]
"""What of the network never moves: nothing, its encoder, or everything but the head."""

PLAIN = "plain"
BESIDE = " · "
"""Stands between a backbone's name and its schedule's; neither holds a space."""
JOINT = {"full": "joint", "equal": "joint-equal"}
"""The baseline that stands for each budget of joint training."""


class Schedule(Record):
    """How a backbone is fine-tuned; what is left out is as in every other training of the benchmark."""

    name: Name
    """What tables call it."""
    lr: Positive | None = None
    """Initial learning rate."""
    warmup: Natural | None = None
    """Iterations over which the learning rate rises linearly to its initial value."""
    epochs: Count | None = None
    """Epochs, if it ends sooner than the budget says; the rate then falls to zero sooner as well."""
    head_first: Natural = 0
    """Epochs at the start in which the new head alone is trained."""
    freeze: Frozen = "none"
    """What is never trained."""


def _schedule_kind(value: Any) -> str:
    return "<schedule>" if isinstance(value, dict | Schedule) else "<name>"


class Start(Record):
    """A network from outside the benchmark to start from."""

    checkpoint: Text
    """An nnU-Net checkpoint, or the model folder that it lies in; a relative path begins at the definition."""
    name: Name
    """What tables call it."""


def _start_kind(value: Any) -> str:
    return "<checkpoint>" if isinstance(value, dict | Start) else "<name>"


class Transfer(Record):
    """The backbones that come out, fine-tuned on tasks that were held out."""

    targets: tuple[str, ...] = Field(min_length=1)
    """The held-out tasks."""
    from_: tuple[
        Annotated[
            Annotated[str, Tag("<name>")] | Annotated[Start, Tag("<checkpoint>")], Discriminator(_start_kind)
        ],
        ...,
    ] = Field(alias="from", min_length=1)
    """The backbones: names of continual baselines, ``joint`` or ``joint-equal``, or checkpoints from elsewhere."""
    epochs: tuple[Count, ...] | None = None
    """The epochs after which the target is evaluated; left out: only the last."""
    fractions: tuple[Fraction, ...] = Field((1.0,), min_length=1)
    """The shares of the target's training cases that are used, each in (0, 1]."""
    schedules: tuple[
        Annotated[
            Annotated[Literal["plain"], Tag("<name>")] | Annotated[Schedule, Tag("<schedule>")],
            Discriminator(_schedule_kind),
        ],
        ...,
    ] = Field(("plain",), min_length=1)
    """How each backbone is fine-tuned; ``plain``: as every other training."""

    @property
    def backbones(self) -> tuple[str, ...]:
        """The names of the backbones."""
        return tuple(start if isinstance(start, str) else start.name for start in self.from_)

    @property
    def all_schedules(self) -> tuple[Schedule, ...]:
        """The schedules, the plain one as one that says nothing."""
        return tuple(Schedule(name=PLAIN) if isinstance(one, str) else one for one in self.schedules)


def tuned(backbone: str, schedule: Schedule) -> str:
    """What tables call a backbone that was fine-tuned on a schedule."""
    return backbone if schedule.name == PLAIN else f"{backbone}{BESIDE}{schedule.name}"


class Protocols(Record):
    """What is run; a protocol that is left out is not."""

    from_scratch: FromScratch | None = Field(None, alias="from-scratch")
    """Each task alone."""
    joint: Joint | None = None
    """All tasks at once."""
    cumulative: Cumulative | None = None
    """One task after another, none of the earlier cases ever put away."""
    continual: Continual | None = None
    """One task after another."""
    transfer: Transfer | None = None
    """Fine-tuning on held-out tasks."""
