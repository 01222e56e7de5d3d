"""``summary.json`` of a run or a reference."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from clbench.references import read_measured, shipped_references
from clbench.results.reproduction import Measured, reproduction


@cache
def _published() -> Measured:
    return read_measured(shipped_references() / "ci")


def seeds() -> Iterable[bytes]:
    """The published ones."""
    return (file.read_bytes() for file in shipped_references().glob("*/summary.json"))


def read(data: bytes, folder: Path) -> None:
    """As ``clbench compare`` does."""
    (folder / "summary.json").write_bytes(data)
    shutil.copyfile(shipped_references() / "ci" / "rows.csv.gz", folder / "rows.csv.gz")
    reproduction(_published(), read_measured(folder), margin=0.05)
