"""The model that every card and definition derives from, and the plain types they are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict


class Record(BaseModel):
    """Frozen data that refuses unknown keys, infinite numbers and silent conversions."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        serialize_by_alias=True,
    )


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A name that is safe in a path and in a table's cell."""

Text = Annotated[str, Field(min_length=1)]
Flag = Annotated[bool, Strict()]
Int = Annotated[int, Strict()]
Float = Annotated[float, Strict()]
Positive = Annotated[float, Strict(), Field(gt=0)]
"""A number above 0."""

Count = Annotated[int, Strict(), Field(ge=1)]
"""A whole number from 1."""

Natural = Annotated[int, Strict(), Field(ge=0)]
"""A whole number from 0."""
