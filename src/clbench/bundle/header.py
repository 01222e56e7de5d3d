"""What a bundle says of itself, and what it says of the data that it does not hold."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from clbench.data.anatomy import anatomy_file, expected_sha256
from clbench.plan import Plan, PrepareSpec

FORMAT = 1
"""Counts up whenever a bundle is laid out otherwise."""


class Header(BaseModel):
    """``bundle.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    """``FORMAT`` of the clbench that wrote it."""
    clbench: str
    """Its version."""
    benchmark: str
    """What was run."""
    version: int
    """Its version."""
    anatomy: str
    """SHA-256 of the CT that embedded cases are made from; empty if there are none."""
    datasets: dict[str, str]
    """The manifest's digest of every other task's dataset: which bytes were trained and measured on."""
    checkpoints: dict[str, str]
    """SHA-256 of every network from elsewhere that was started from."""


def data_of(plan: Plan) -> tuple[str, dict[str, str]]:
    """The anatomy's checksum, if a task of the plan is made from it, and the manifests of all other tasks."""
    spec = PrepareSpec.model_validate(plan.preparation.spec)
    embedded = any(card.source.kind == "anatomy" for card in spec.tasks.values())
    manifests = {task: dataset.manifest for task, dataset in spec.datasets.items()}
    return expected_sha256(anatomy_file()) if embedded else "", manifests
