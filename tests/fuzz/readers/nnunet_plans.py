"""A plans file of nnU-Net that a backbone takes its plan from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from clbench.definitions.catalogue import Catalogue
from clbench.definitions.resolve import resolve
from clbench.plan.expand import make_plan
from plans_document import DOCUMENT

BENCHMARK = """
extends: ci
name: x
version: 1
title: x
backbone: {configuration: 3d_fullres, plans: {file: plans.json}, mirror: false}
"""


def seeds() -> Iterable[bytes]:
    """One with all that is asked of it."""
    yield json.dumps(DOCUMENT).encode()


def read(data: bytes, folder: Path) -> None:
    """As ``clbench plan`` does."""
    (folder / "plans.json").write_bytes(data)
    (folder / "x.yaml").write_text(BENCHMARK)
    make_plan(resolve(folder / "x.yaml", Catalogue.open()), folder / "store", {})
