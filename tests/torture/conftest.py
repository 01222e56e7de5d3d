"""How long the suite tortures, and what it tortures: `make torture`, or `make torture KILLS=1000 MINUTES=120`."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say how much."""
    parser.addoption("--kills", type=int, default=100, help="how many times a run is killed")
    parser.addoption("--minutes", type=float, default=30.0, help="how long runs are repeated")
    parser.addoption("--seed", type=int, default=0, help="which moments and processes")


@dataclass(frozen=True)
class Quiet:
    """The benchmark ``ci``, run once with nothing in its way.

    Attributes:
        folder: the run's.
        store: where its jobs' artifacts are.
    """

    folder: Path
    store: Path

    @property
    def rows(self) -> bytes:
        """What every other run must come to."""
        return (self.folder / "rows.csv").read_bytes()

    @property
    def megabytes(self) -> float:
        """What a whole run takes on disk."""
        return sum(file.stat().st_size for file in self.store.rglob("*") if file.is_file()) / 1e6


@pytest.fixture(scope="session")
def quiet(undisturbed: Any, tmp_path_factory: pytest.TempPathFactory) -> Quiet:
    """The benchmark ``ci``, run once with nothing in its way."""
    root = tmp_path_factory.mktemp("quiet")
    said = undisturbed.program_in(root)("run", "ci", "--store", root / "store", "--out", root / "run")
    assert said.code == 0, said.err
    return Quiet(root / "run", root / "store")


@pytest.fixture
def alone() -> Iterator[None]:
    """See that nothing that a test started is left when it ends."""
    before = clbench_processes()
    yield
    end = time.monotonic() + 20
    while clbench_processes() - before and time.monotonic() < end:
        time.sleep(0.1)
    assert not clbench_processes() - before, "processes are left behind"


def clbench_processes(holding: Path | None = None) -> set[int]:
    """Processes that belong to clbench; those whose command or working folder names ``holding``, if it is given."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = words + os.readlink(folder / "cwd")
        except OSError:  # it has ended meanwhile
            continue
        mine = "clbench" in words or "snakemake" in words
        if mine and "pytest" not in words and (holding is None or str(holding) in place):
            found.add(int(folder.name))
    return found


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    """An empty folder that is deleted afterwards: a hundred stores would fill the disk."""
    folder = tmp_path / "fresh"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
