"""Slurm: every job of the plan is one of its jobs, submitted by Snakemake's plugin when its parents are done."""

from __future__ import annotations

import importlib.util
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from clbench.arithmetic import NATIVE, VARIABLE
from clbench.definitions.cluster import Share, SlurmProfile, read_slurm_profile
from clbench.errors import MissingEnvironment
from clbench.execute.backends import Backend, Needs
from clbench.plan import Job, Plan
from clbench.plan.costs import gpu_seconds

PLUGIN = "snakemake_executor_plugin_slurm"
LEAST = 600.0
"""Seconds that a job is given at least: nodes start slowly."""
LATENCY = 60
"""Seconds that a shared file system may take to show on one machine what another has written."""
MANY = 1000
"""Jobs side by side where nobody sets a bound: the cluster does."""


def _arithmetic() -> list[str]:
    """What tells a job, on any node, that native arithmetic was asked for; portable arithmetic is the default."""
    return ["env", f"{VARIABLE}={NATIVE}"] if os.environ.get(VARIABLE) == NATIVE else []


@dataclass(frozen=True)
class Slurm(Backend):
    """A cluster's scheduler; the plan, the store and this Python are on a file system that all nodes share."""

    profile: SlurmProfile
    jobs: int | None = None
    """How many jobs may be submitted at a time; no bound if None."""
    status: Literal["sacct", "squeue"] = "sacct"
    """What tells what became of jobs; ``squeue`` where there is no accounting."""
    poll: int = 20
    """Seconds between two such questions."""

    warm: ClassVar[bool] = False

    @property
    def slots(self) -> int:
        """As many as are asked for."""
        return self.jobs or MANY

    @property
    def cuda(self) -> bool:
        """Where the profile asks for GPUs."""
        return bool(self.profile.stage.gpus)

    @property
    def words(self) -> str:
        """The partition."""
        return f"Slurm{f' ({self.profile.partition})' if self.profile.partition else ''}, its queue not counted"

    def flags(self, name: str, logs: Path) -> list[str]:
        """How jobs are named, watched and logged."""
        return [
            "--executor", "slurm", "--jobs", str(self.slots), "--latency-wait", str(LATENCY),
            "--slurm-jobname-prefix", _prefix(name), "--slurm-logdir", str(logs.resolve() / "slurm"),
            "--slurm-status-command", self.status, "--slurm-init-seconds-before-status-checks", str(self.poll),
            "--slurm-no-requeue",
        ]  # fmt: skip

    def command(self, plan_path: Path, module: str) -> list[str]:
        """``clbench job``, in the profile's container if it names one; neither may pass variables on."""
        container = shlex.split(self.profile.container) if self.profile.container else []
        program = ["clbench"] if container else [sys.executable, "-m", "clbench"]
        return [*container, *_arithmetic(), *program, "job", str(plan_path.resolve())]

    def needs(self, plan: Plan) -> dict[str, Needs]:
        """What the profile says, with time by the plan's estimate."""
        estimates = gpu_seconds(plan) if self.profile.stage.gpus else {job.id: job.seconds for job in plan.jobs}
        return {job.id: self._needs(job, estimates[job.id]) for job in plan.jobs}

    def _needs(self, job: Job, seconds: float) -> Needs:
        profile = self.profile
        share = profile.prepare if job.kind == "prepare" else profile.stage
        named = {
            "slurm_partition": share.partition or profile.partition, "slurm_account": profile.account,
            "qos": profile.qos, "constraint": profile.constraint,
        }  # fmt: skip
        resources: dict[str, int | str] = {key: value for key, value in named.items() if value is not None}
        resources |= {"mem_mb": round(1000 * share.memory_gb), "runtime": self._minutes(share, seconds)}
        resources |= {"gpu": share.gpus, "slurm_extra": self._extra}
        return Needs(share.cores, {}, resources)

    def _minutes(self, share: Share, seconds: float) -> int:
        """The time limit."""
        profile = self.profile
        wanted = 3600 * share.hours if share.hours else max(profile.time_factor * seconds, LEAST)
        return math.ceil(min(wanted, 3600 * profile.longest_hours) / 60)

    @property
    def _extra(self) -> str:
        signal = [f"--signal=USR1@{self.profile.stop_seconds}"] if self.profile.stop_seconds else []
        return shlex.join([*signal, *self.profile.extra])

    def sweep(self, name: str) -> None:
        """Cancel what Slurm still has of a run."""
        listed = _said("squeue", "--me", "--noheader", "--format=%i %j")
        ours = [line.split()[0] for line in listed.splitlines() if line.partition(" ")[2].startswith(_prefix(name))]
        if ours:
            _said("scancel", *ours)


def slurm(jobs: int | None, file: Path | None) -> Slurm:
    """Slurm, if it is there.

    Args:
        jobs: how many jobs may be submitted at a time; no bound if None.
        file: the profile; all defaults if None.

    Raises:
        DefinitionError: something is wrong in the profile.
        MissingEnvironment: Slurm or Snakemake's plugin for it is not there, or Slurm does not answer.
    """
    profile = SlurmProfile() if file is None else read_slurm_profile(file)
    if shutil.which("sbatch") is None:
        raise MissingEnvironment(
            "--engine slurm: there is no sbatch here; start this on a machine that jobs are submitted from, often "
            "called a login node, or load the cluster's slurm module"
        )
    if importlib.util.find_spec(PLUGIN) is None:
        raise MissingEnvironment(
            "--engine slurm: Snakemake's plugin for Slurm is not installed; pip install 'clbench[slurm]'"
        )
    settings = _said("scontrol", "show", "config")
    accounted = not re.search(r"AccountingStorageType\s*=\s*(accounting_storage/none|\(null\))", settings)
    if accounted:
        return Slurm(profile, jobs, "sacct", profile.poll_seconds)
    return Slurm(profile, jobs, "squeue", min(profile.poll_seconds, max(1, _kept_seconds(settings) // 3)))


def _kept_seconds(settings: str) -> int:
    """How long squeue knows of a job that has ended; the plugin wants three questions to fit in there."""
    found = re.search(r"MinJobAge\s*=\s*(\d+)", settings)
    return int(found[1]) if found else 300


def _prefix(name: str) -> str:
    return f"clbench-{name}"


def _said(*words: str) -> str:
    """What a command of Slurm's prints.

    Raises:
        MissingEnvironment: it fails.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        raise MissingEnvironment(f"Slurm does not answer: `{words[0]}` took more than a minute") from None
    if done.returncode:
        raise MissingEnvironment(f"Slurm does not answer: `{shlex.join(words[:3])}` says: {done.stderr.strip()}")
    return done.stdout
