"""A baseline's card."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clbench.definitions.catalogue import Catalogue, shipped_root
from clbench.definitions.reading import read_baseline
from fuzz.seeds import named_x


def seeds() -> Iterable[bytes]:
    """The shipped ones."""
    return (named_x(file) for file in (shipped_root() / "baselines").glob("*.yaml"))


def read(data: bytes, folder: Path) -> None:
    """As every command does that names a baseline."""
    file = folder / "x.yaml"
    file.write_bytes(data)
    read_baseline(file, Catalogue.open())
