"""A checkout in which faults are planted, and a store for each arithmetic that all of its runs share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from machine import clean_environment

ROOT = Path(__file__).parents[2]
SHIPPED = ("src", "benchmark", "baselines", "tasks", "reports/reference/ci")


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code and what it printed."""

    code: int
    out: str


@dataclass(frozen=True)
class Checkout:
    """A copy of what the program consists of."""

    folder: Path
    variables: dict[str, str]
    store: Path

    def change(self, file: str, old: str, new: str) -> None:
        """Plant a fault: replace a text that occurs once."""
        path = self.folder / file
        content = path.read_text()
        assert content.count(old) == 1, f"{file}: {old!r} occurs {content.count(old)} times"
        path.write_text(content.replace(old, new))

    def reproduce(self) -> Ended:
        """``clbench reproduce ci`` with this checkout's code, definitions and reference."""
        environment = {**clean_environment(), **self.variables, "PYTHONPATH": str(self.folder / "src")}
        command = [sys.executable, "-m", "clbench", "reproduce", "ci", "--store", str(self.store)]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return Ended(done.returncode, done.stdout)


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the artifacts lie that runs with the same arithmetic share."""
    return Path(os.environ.get("CLBENCH_FAULT_STORES") or tmp_path_factory.mktemp("stores"))


@pytest.fixture
def checkout(tmp_path: Path, stores: Path) -> Callable[..., Checkout]:
    """Makes a copy of the program that computes with some environment variables."""

    def made(name: str, **variables: str) -> Checkout:
        for part in SHIPPED:
            shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
        return Checkout(tmp_path, variables, stores / name)

    return made
