"""The cards of tasks and baselines as they are written in their YAML files."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from clbench.definitions.base import Count, Int, Name, Positive, Record, Text
from clbench.definitions.slugs import slug
from clbench.definitions.sources import Source

RESERVED_BASELINES = ("from-scratch", "joint", "joint-equal", "cumulative")
"""Names that stand for protocols in every table and that no baseline may carry."""


def _channels(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _spelled_out(value: Any, info: ValidationInfo) -> Any:
    """The mapping that ``all`` or ``separate`` stands for."""
    if not isinstance(value, str):
        return value
    original: dict[str, int] = info.data.get("original_labels") or {"foreground": 1}
    if value == "all":
        return {"foreground": tuple(original.values())}
    if value != "separate":
        raise ValueError(f"must be separate, all, or names with lists of original values, not {value!r}")
    names = {name: (number,) for name, number in _slugs(original).items()}
    if len(names) < len(original) or "" in names:
        raise ValueError("separate would give two labels one name; write names with lists of original values")
    return names


def _slugs(original: dict[str, int]) -> dict[str, int]:
    """Names of labels that are safe in a path; one that only other scripts or accents tell apart gets its number."""
    plain = {name: slug(name) for name in original}
    taken = Counter(plain.values())
    ours = {name: f"{short}-{original[name]}" if taken[short] > 1 and not name.isascii() else short
            for name, short in plain.items()}  # fmt: skip
    return {short: original[name] for name, short in ours.items()}


class TaskCard(Record):
    """One dataset with one label scheme."""

    name: Name
    """Its name, the same as its file's."""
    version: Count
    """Counts up whenever results would change."""
    title: Text
    """One line for people."""
    mirrors: Text | None = None
    """The public dataset that an embedded task imitates."""
    modality: Annotated[
        tuple[Text, ...],
        Field(min_length=1),
        BeforeValidator(_channels, json_schema_input_type=Text | tuple[Text, ...]),
    ]
    """What the images are, channel by channel, in nnU-Net's words; a single channel is written alone."""
    original_labels: dict[Text, Int] = Field(min_length=1)
    """The label scheme in the source's files, background left out."""
    labels: Annotated[
        dict[Name, tuple[Int, ...]],
        Field(min_length=1),
        BeforeValidator(
            _spelled_out, json_schema_input_type=Literal["separate", "all"] | dict[Name, tuple[Int, ...]]
        ),
    ]
    """Foreground labels in network order (1, 2, …), each with the original values that it collects. ``separate``
    stands for each original label alone, ``all`` for one label ``foreground`` that collects them all."""
    tolerance_mm: Positive = 2.0
    """Distance of two surfaces that ``nsd`` takes for agreement; where it differs, say whose it is."""
    source: Source
    """Where the cases come from."""
    cases: Count | None = None
    """How many labelled cases there are; left out, as many as the dataset has."""


def _setting(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Replace the five errors of a failed union by one."""
    try:
        return handler(value)
    except ValidationError:
        message = "must be a finite number, a text, true, false or null"
        raise PydanticCustomError("setting", message) from None


Setting = Annotated[bool | int | float | str | None, WrapValidator(_setting)]
"""The value of one of a method's settings."""


class BaselineCard(Record):
    """One method with every knob set."""

    name: Name
    """Its name, the same as its file's."""
    version: Count
    """Counts up whenever results would change."""
    title: Text
    """One line for people."""
    method: Name
    """The method's file in ``methods/``, without ``.py``."""
    settings: dict[str, Setting] = Field(default_factory=dict)
    """The method's settings; those left out have the method's defaults."""
    source: Text | None = None
    """The paper and the public code that it follows."""
    notes: str = ""
    """What is done differently from the source, and why."""
