"""Where jobs run: what Snakemake is told of the place, and what of each job."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from clbench.cores import available_cores
from clbench.execute.lease import LEASES, VARIABLE, Offer
from clbench.execute.lifetime import TIME_LIMIT
from clbench.plan import Job, Plan

CLIENT = Path(__file__).with_name("client.py")


@dataclass(frozen=True)
class Needs:
    """What a job is given."""

    threads: int
    """Cores."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables that only this job has."""
    resources: dict[str, int | str] = field(default_factory=dict)
    """Snakemake's resources; every job of a run has the same names."""


class Backend(ABC):
    """A place where jobs run."""

    warm: ClassVar[bool]
    """Whether jobs are forks of a server on this machine."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many stages run side by side."""

    @property
    @abstractmethod
    def cuda(self) -> bool:
        """Whether stages are trained on GPUs."""

    @property
    @abstractmethod
    def words(self) -> str:
        """On what, for people."""

    @abstractmethod
    def flags(self, name: str, logs: Path) -> list[str]:
        """Snakemake's flags for this place.

        Args:
            name: the same for all attempts at a run.
            logs: where logs of the run are kept.
        """

    @abstractmethod
    def command(self, plan_path: Path, module: str) -> list[str]:
        """The command that does one job; the job's id comes behind it."""

    @abstractmethod
    def needs(self, plan: Plan) -> dict[str, Needs]:
        """What each job of a plan is given here."""

    def sweep(self, name: str) -> None:  # noqa: B027 most places have nothing to do
        """End the jobs that an attempt at a run left behind, where they can outlive it."""


@dataclass(frozen=True)
class Local(Backend):
    """This machine: jobs side by side on its cores, and each stage on a GPU of its own if there are GPUs."""

    jobs: int | None = None
    """How many jobs may run side by side; one per GPU, or else per core, if None. More than there are GPUs share."""
    gpus: tuple[str, ...] = ()
    """What stages may lease."""
    leases: Path = LEASES
    """Where the leases are locked."""
    minutes: int | None = None
    """After how long a job is killed."""

    warm: ClassVar[bool] = True

    @property
    def slots(self) -> int:
        """As many as are asked for, else one per GPU, else one per core."""
        return self.jobs or len(self.gpus) or available_cores()

    @property
    def cuda(self) -> bool:
        """Where there are GPUs."""
        return bool(self.gpus)

    @property
    def cores(self) -> int:
        """What a preparation may use."""
        return self.jobs or max(available_cores(), self.slots)

    @property
    def words(self) -> str:
        """Cores, or GPUs and how many jobs share them."""
        if not self.gpus:
            return _many(self.slots, "core")
        shared = f", up to {self._sharing} jobs on each" if self._sharing > 1 else ""
        return _many(min(self.slots, len(self.gpus)), "GPU") + shared

    @property
    def _sharing(self) -> int:
        return -(-self.slots // len(self.gpus))

    def flags(self, name: str, logs: Path) -> list[str]:
        """Cores for all, and slots for stages."""
        limits = ["--cores", str(self.cores), "--resources", f"slot={self.slots}"]
        return ["--executor", "local", *limits, "--latency-wait", "1"]

    def command(self, plan_path: Path, module: str) -> list[str]:
        """The small client that asks the warm server."""
        return [sys.executable, "-I", "-S", str(CLIENT), module, str(plan_path.resolve())]

    def needs(self, plan: Plan) -> dict[str, Needs]:
        """All cores for a preparation; one, and the offer of a GPU, for a stage."""
        return {job.id: self._needs(job) for job in plan.jobs}

    def _needs(self, job: Job) -> Needs:
        limit = {TIME_LIMIT: str(60 * self.minutes)} if self.minutes else {}
        if job.kind == "prepare":
            return Needs(self.cores, limit, {"slot": 1})
        offer = {VARIABLE: Offer(str(self.leases), self.gpus, self._sharing).to_text()} if self.gpus else {}
        return Needs(1, offer | limit, {"slot": 1})


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
