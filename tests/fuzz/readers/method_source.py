"""A method's source, which is read for its settings and not run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clbench.definitions.catalogue import package_root
from clbench.definitions.signatures import read_signature


def seeds() -> Iterable[bytes]:
    """The shipped ones."""
    return (file.read_bytes() for file in (package_root() / "methods").glob("*.py"))


def read(data: bytes, folder: Path) -> None:
    """As ``clbench validate`` does."""
    file = folder / "x.py"
    file.write_bytes(data)
    read_signature(file)
