"""A plan of small real jobs in a store of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clbench.execute.backends import Local
from clbench.execute.run import Outcome, carry_out
from clbench.plan import Job, Plan
from clbench.store import Store
from machine import hear_ctrl_c

HERE = Path(__file__).parent
DRIVER = HERE / "drive.py"


@dataclass
class Scene:
    """A store, a run folder and the jobs to do."""

    root: Path
    marker: str
    """Is in the environment of every process that descends from the test."""
    jobs: dict[str, Job] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store, self.run_folder = Store(self.root / "the store"), self.root / "run"
        self.run_folder.mkdir()
        self.store.root.mkdir()
        self.plan_path = self.run_folder / "plan.json"

    def add(self, id: str, *parents: str, kind: Any = "stage", seconds: float = 1.0, **spec: Any) -> None:
        """Add a job; the stand-in explains ``spec``."""
        self.jobs[id] = Job(
            id=id, kind=kind, parents=parents, title=f"title of {id}", seconds=seconds,
            spec={"store": str(self.store.root), **spec}, evaluation="",
        )  # fmt: skip

    @property
    def plan(self) -> Plan:
        """The plan; its file is written too."""
        plan = Plan(jobs=tuple(self.jobs.values()))
        self.plan_path.write_text(plan.model_dump_json())
        return plan

    def carry_out(self, *, done: set[str] | None = None, cores: int = 2, **more: Any) -> tuple[Outcome, str]:
        """Carry the plan out here; returns what came of it and what was printed."""
        said = io.StringIO()
        backend = more.pop("backend", Local(jobs=cores))
        arguments = (self.plan_path, self.plan, done or set(), self.store, self.run_folder, backend)
        outcome = carry_out(*arguments, Console(file=said), module="stand_in", **more)
        return outcome, said.getvalue()

    def drive(self, *gpus: str, jobs: int = 2) -> subprocess.Popen[bytes]:
        """Carry the plan out in a program of its own, which leads a process group."""
        assert self.plan
        arguments = [self.plan_path, self.store.root, self.run_folder, str(jobs), self.root / "leases", *gpus]
        return subprocess.Popen(
            [sys.executable, DRIVER, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            process_group=0, preexec_fn=hear_ctrl_c,
        )  # fmt: skip

    @property
    def starts(self) -> list[str]:
        """The jobs that were started, in order, repetitions included."""
        path = self.store.root / "starts.txt"
        return path.read_text().split() if path.exists() else []

    def result(self, id: str) -> dict[str, Any] | None:
        """A job's result."""
        return self.store.job(id).read("result")

    def processes(self) -> list[str]:
        """Command lines of the processes that descend from this test and live on."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                alive = folder.joinpath("stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
                if alive and int(folder.name) != os.getpid() and self.marker in _text(folder / "environ"):
                    found.append(_text(folder / "cmdline"))
        return found


def _text(path: Path) -> str:
    return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")


def eventually(claim: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether a claim comes true within some seconds."""
    until = time.monotonic() + seconds
    while not (true := claim()) and time.monotonic() < until:
        time.sleep(0.02)
    return true


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., bool]:
    return eventually


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """An empty scene; jobs find the stand-in on their path."""
    marker = uuid.uuid4().hex
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("CLBENCH_TEST", marker)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # whatever a user sets, jobs side by side compute with one thread each
    return Scene(tmp_path, marker)
