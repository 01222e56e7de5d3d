"""Runs of the same benchmarks, natively and on an emulated processor, each with a store of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clbench.arithmetic import CONTRADICTING, SETTINGS
from clbench.execute.client import ONE_THREAD
from clbench.execute.lifetime import bound_to_me
from clbench.plan import Plan
from clbench.run import ROWS, read_plan
from clbench.store import Json, Store, read_sealed
from command_line import Program
from machine import clean_environment
from portability.digests import Digests, digests_of, fingerprints_of
from portability.in_one_process import UNIT, VENDOR

HERE = Path(__file__).parent
OUTPUT = "output.txt"
SETTLED = {**ONE_THREAD, "CLBENCH_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1"}
"""The environment of a job that the engine starts (``execute/lifetime.py``)."""
PATIENCE = 7200.0
"""Seconds after which a run is taken to hang; an emulated one on a busy machine may take an hour."""


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """A job's environment in which nothing is said of dispatch but what ``more`` says."""
    clean = clean_environment()
    kept = {name: value for name, value in clean.items() if name not in (*SETTINGS, *CONTRADICTING)}
    return {**kept, **SETTLED, **more}


@dataclass(frozen=True)
class Run:
    """A run that has been started.

    Attributes:
        folder: has its store, and a run's folder for each benchmark.
        benchmarks: their names.
        process: does the jobs.
    """

    folder: Path
    benchmarks: tuple[str, ...]
    process: subprocess.Popen[bytes]

    @cached_property
    def output(self) -> str:
        """The processor's vendor, and the CPU seconds of each job. Waits for the end; fails if a job failed."""
        code = self.process.wait(PATIENCE)
        said = (self.folder / OUTPUT).read_text()
        assert code == 0, f"{self.folder.name}: {said[-5000:]}"
        return "".join(line for line in said.splitlines(keepends=True) if UNIT in line or line.startswith(VENDOR))

    @property
    def vendor(self) -> str:
        """Of the processor that did the jobs."""
        return self.output.splitlines()[0].removeprefix(VENDOR)

    @property
    def plans(self) -> dict[str, Plan]:
        """The plan of each benchmark."""
        assert self.output
        return {name: read_plan(self.folder / name) for name in self.benchmarks}

    @cached_property
    def digests(self) -> Digests:
        """The digests of all that was computed."""
        return self.digests_in(self.folder / "store")

    def digests_in(self, store: Path) -> Digests:
        """The same of a copy of the store."""
        plans = {name: plan.model_copy(update={"store": str(store)}) for name, plan in self.plans.items()}
        return {
            f"{name} {place}": digest for name, plan in plans.items() for place, digest in digests_of(plan).items()
        }

    @property
    def results(self) -> dict[str, Json]:
        """The result of every stage by its title."""
        return {
            f"{name} {job.title}": read_sealed(Store(Path(plan.store)).job(job.id).path / "result.json")
            for name, plan in self.plans.items()
            for job in plan.jobs
            if job.kind == "stage"
        }

    @cached_property
    def fingerprints(self) -> list[str]:
        """The digests of the cases' fingerprints."""
        return fingerprints_of(next(iter(self.plans.values())))

    @cached_property
    def reports(self) -> dict[str, tuple[str, bytes]]:
        """The printed tables and the rows of each benchmark, made natively by ``clbench report``."""
        return {name: self._report(self.folder / name) for name in self.plans}

    def _report(self, folder: Path) -> tuple[str, bytes]:
        said = Program(self.folder)("report", folder.name)
        assert said.code == 0, said.err
        return said.out, (folder / ROWS).read_bytes()


def start(
    folder: Path, benchmarks: tuple[str, ...], under: tuple[str, ...] = (), more: Mapping[str, str] | None = None
) -> Run:
    """Plan benchmarks natively and start their jobs, one after another in one process.

    Args:
        folder: a new folder.
        benchmarks: names of benchmarks of the suite here.
        under: a command that carries out the words behind it: an emulator.
        more: variables of the environment.
    """
    folder.mkdir()
    child = environment(more or {})
    subprocess.run([sys.executable, HERE / "write_plans.py", folder, *benchmarks], env=child, check=True)
    plans = [folder / name / "plan.json" for name in benchmarks]
    with open(folder / OUTPUT, "wb") as output:
        process = subprocess.Popen(
            [*under, sys.executable, HERE / "in_one_process.py", *plans], env=child, preexec_fn=bound_to_me(),
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    return Run(folder, benchmarks, process)
