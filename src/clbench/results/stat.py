"""The base of the summary's records, and a number with how sure it is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen, strict about its fields; a NaN keeps its name in JSON instead of becoming null."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Interval(Model):
    """Where a mean lies with 95 % confidence."""

    low: float
    """Lower end."""
    high: float
    """Upper end."""
    seeds: int
    """How many seeds it is taken over beside the cases; with one it is over cases only."""


class Stat(Model):
    """A number over replicates: seeds, times orders where the number depends on the order."""

    mean: float
    """Mean over the replicates that have the number."""
    sd: float | None
    """Sample standard deviation over those replicates (n - 1); None with one."""
    seeds: int
    """How many replicates have it; with one order, as many as seeds."""
    planned: int
    """How many replicates should have it."""
    interval: Interval | None = None
    """Over seeds and cases; None where it says nothing about cases, or where there is only one case."""
