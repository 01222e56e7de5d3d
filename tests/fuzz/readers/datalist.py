"""A list of cases as MONAI's tools write it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from clbench.data.sources.datalist import tree
from clbench.definitions.sources import DatalistSource

SOURCE = DatalistSource(kind="datalist", path="x.json")


def seeds() -> Iterable[bytes]:
    """With one channel and with two."""
    one, two = {"image": "a.nii.gz", "label": "b.nii.gz"}, {"image": ["a.nii.gz", "c"], "label": "b", "id": "../x"}
    yield json.dumps({"training": [one], "validation": [two], "labels": {"0": "background", "1": "x"}}).encode()
    yield json.dumps({"training": [two], "modality": {"0": "CT"}, "numTraining": 1}).encode()


def read(data: bytes, folder: Path) -> None:
    """As ``clbench data prepare`` does."""
    file = folder / "x.json"
    file.write_bytes(data)
    for name in ("a.nii.gz", "b.nii.gz"):
        (folder / name).touch()
    tree(SOURCE, file)
