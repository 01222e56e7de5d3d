"""A matrix of scores as CSV, for ``clbench metrics``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clbench.results.imports import read_beside, read_matrix, square
from clbench.results.passport import Finished, values


def seeds() -> Iterable[bytes]:
    """With and without names, fractions and percentages."""
    yield b"stage,liver,lung\n1,0.9,0.1\n2,0.5,0.8\n"
    yield b"0.9,0.1\n0.5,0.8\n"
    yield b"\tliver\tlung\nfirst\t90 %\t-\nsecond\t50 %\t80 %\n"
    yield "a;b\n0.1;–\n0.2;nan\n".encode("utf-8-sig")


def read(data: bytes, folder: Path) -> None:
    """As ``clbench metrics FILE`` does."""
    file = folder / "x.csv"
    file.write_bytes(data)
    imported = square(read_matrix(file), file)
    values(Finished(imported.matrix, finetune=read_beside(file, imported, len(imported.matrix))))
