"""The long table of measurements, ``rows.csv`` or ``rows.csv.gz``."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

from clbench.references import shipped_references
from clbench.results.rows import read_rows


def seeds() -> Iterable[bytes]:
    """The beginning of the published ones, plain and compressed."""
    for file in shipped_references().glob("*/rows.csv.gz"):
        text = b"".join(gzip.decompress(file.read_bytes()).splitlines(keepends=True)[:6])
        yield from (text, gzip.compress(text))


def read(data: bytes, folder: Path) -> None:
    """As ``clbench compare`` does."""
    file = folder / ("rows.csv.gz" if data[:2] == b"\x1f\x8b" else "rows.csv")
    file.write_bytes(data)
    read_rows(file)
