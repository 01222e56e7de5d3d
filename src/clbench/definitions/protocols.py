"""The section of a benchmark's definition that says what is run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from clbench.definitions.base import Count, Float, Record
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


class Transfer(Record):
    """The backbones that come out, fine-tuned on tasks that were held out."""

    targets: tuple[str, ...] = Field(min_length=1)
    """The held-out tasks."""
    from_: tuple[str, ...] = Field(alias="from", min_length=1)
    """The backbones: names of continual baselines, ``joint`` or ``joint-equal``."""
    epochs: tuple[Count, ...] | None = None
    """The epochs after which the target is evaluated; left out: only the last."""
    fractions: tuple[Fraction, ...] = Field((1.0,), min_length=1)
    """The shares of the target's training cases that are used, each in (0, 1]."""


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
