"""A benchmark's definition."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clbench.definitions.catalogue import Catalogue, shipped_root
from clbench.definitions.places import DataPlaces
from clbench.definitions.resolve import resolve
from fuzz.seeds import named_x


def seeds() -> Iterable[bytes]:
    """The shipped ones, and one with everything that they leave out."""
    yield from (named_x(file) for file in (shipped_root() / "benchmark").glob("*.yaml"))
    yield b"extends: ci\nname: x\nbackbone: {configuration: 3d_fullres, plans: {file: x.json}}\nmonitor: {every: 1}\n"


def read(data: bytes, folder: Path) -> None:
    """As ``clbench validate FILE`` does."""
    file = folder / "x.yaml"
    file.write_bytes(data)
    resolve(file, Catalogue.open((), DataPlaces(folder)))
