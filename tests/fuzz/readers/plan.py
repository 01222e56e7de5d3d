"""A run's ``plan.json``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clbench.definitions.catalogue import Catalogue
from clbench.definitions.resolve import resolve
from clbench.plan.expand import make_plan
from clbench.plan.sealed import plan_bytes
from clbench.run import read_plan


def seeds() -> Iterable[bytes]:
    """The plan of the smallest shipped benchmark."""
    plan = make_plan(resolve("ci", Catalogue.open()), Path("/nowhere"), {})
    yield plan_bytes(plan)
    yield plan.model_copy(update={"jobs": plan.jobs[:2], "uses": plan.uses[:1]}).model_dump_json().encode()


def read(data: bytes, folder: Path) -> None:
    """As ``clbench status`` and ``clbench report`` do."""
    (folder / "plan.json").write_bytes(data)
    read_plan(folder)
