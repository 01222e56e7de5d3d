"""The cards of tasks and baselines as they are written in their YAML files."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from clbench.definitions.base import Count, Int, Name, Record, Text
from clbench.definitions.sources import Source

RESERVED_BASELINES = ("from-scratch", "joint", "joint-equal", "cumulative")
"""Names that stand for protocols in every table and that no baseline may carry."""


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
    modality: Literal["CT"]
    """What the images are."""
    labels: dict[Name, tuple[Int, ...]] = Field(min_length=1)
    """Foreground labels in network order (1, 2, …), each with the original values that it collects."""
    original_labels: dict[Text, Int] = Field(min_length=1)
    """The label scheme in the source's files, background left out."""
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
