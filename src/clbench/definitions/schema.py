"""The JSON Schemas of the YAML files that people write."""

from __future__ import annotations

from typing import Any, Literal

from clbench.definitions.attribute_docs import schema_of
from clbench.definitions.cluster import SlurmProfile
from clbench.definitions.layers import OWN
from clbench.definitions.models import BaselineCard, Benchmark, TaskCard
from clbench.definitions.sources import OWN_KINDS

Written = Literal["benchmark", "task", "baseline", "slurm"]


def file_schema(kind: Written) -> dict[str, Any]:
    """What the YAML file of a benchmark, task or baseline, or a profile for Slurm, may hold.

    What depends on other files (whether a name is known) or on several keys is left to ``clbench validate``.
    """
    if kind == "baseline":
        return schema_of(BaselineCard, "validation")
    if kind == "slurm":
        return schema_of(SlurmProfile, "validation")
    if kind == "task":
        own = {"properties": {"source": {"properties": {"kind": {"enum": list(OWN_KINDS)}}}}}
        return _either(schema_of(TaskCard, "validation"), ["name", "version", "title", "source"], own)
    return _either(schema_of(Benchmark, "validation"), list(OWN), {})


def _either(schema: dict[str, Any], fewer: list[str], where: dict[str, Any]) -> dict[str, Any]:
    """All keys that must be written, or fewer of them where another file or the dataset knows the others."""
    return {**schema, "required": [], "anyOf": [{"required": schema["required"]}, {"required": fewer, **where}]}
