"""``summary.json`` of nnU-Net's evaluation, for ``clbench metrics FOLDER``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from clbench.results.imports import read_matrix, square
from clbench.results.passport import Finished, values


def seeds() -> Iterable[bytes]:
    """With a label and with none."""
    case = {"metrics": {"1": {"Dice": 0.5, "FN": 1}}, "prediction_file": "a", "reference_file": "b"}
    yield json.dumps({"metric_per_case": [case, case], "foreground_mean": {"Dice": 0.5}}).encode()
    yield json.dumps({"metric_per_case": [{"metrics": {"1": {"Dice": None}}}]}).encode()


def read(data: bytes, folder: Path) -> None:
    """As ``clbench metrics FOLDER`` does."""
    file = folder / "1" / "a" / "summary.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    imported = square(read_matrix(folder), folder)
    values(Finished(imported.matrix, cases=imported.cases))
