"""A task's card."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clbench.definitions.catalogue import shipped_root
from clbench.definitions.places import DataPlaces
from clbench.definitions.reading import read_task
from fuzz.seeds import named_x


def seeds() -> Iterable[bytes]:
    """The shipped ones, and a card that its dataset completes."""
    yield from (named_x(file) for file in (shipped_root() / "tasks").glob("*.yaml"))
    yield b"name: x\nversion: 1\ntitle: x\nsource: {kind: nnunet, dataset: 101}\n"
    yield b"name: x\nversion: 1\ntitle: x\nsource: {kind: datalist, path: x.json, root: ../y}\nlabels: all\n"


def read(data: bytes, folder: Path) -> None:
    """As every command does that names a task."""
    file = folder / "x.yaml"
    file.write_bytes(data)
    read_task(file, DataPlaces(folder))
