"""The profile of a cluster: what its scheduler has to be told of every job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from clbench.definitions.base import Count, Natural, Positive, Record, Text
from clbench.definitions.validation import checked
from clbench.definitions.yaml_source import read_document
from clbench.errors import DefinitionError

OURS = {
    "-J": "", "--job-name": "", "-o": "", "--output": "", "-e": "", "--error": "", "-D": "", "--chdir": "",
    "--export": "", "--comment": "", "--signal": "stop_seconds", "-p": "partition", "--partition": "partition",
    "-A": "account", "--account": "account", "-t": "longest_hours", "--time": "longest_hours",
    "--mem": "memory_gb", "--mem-per-cpu": "memory_gb", "-c": "cores", "--cpus-per-task": "cores", "-n": "",
    "--ntasks": "", "-N": "", "--nodes": "", "-G": "gpus", "--gpus": "gpus", "--gres": "gpus", "-a": "",
    "--array": "", "-q": "qos", "--qos": "qos", "-C": "constraint", "--constraint": "constraint",
}  # fmt: skip
"""Options of sbatch that are not for ``extra``, and the key that says the same, if there is one."""


def _free(word: str) -> str:
    """An option of sbatch in one word, which nothing else sets."""
    name = word.partition("=")[0]
    if not name.startswith("-") or any(letter.isspace() for letter in word):
        raise ValueError(f"{word!r} is no option in one word, such as --mail-type=FAIL")
    if name in OURS:
        key = OURS[name]
        raise ValueError(f"{name} is set by {f'the key {key!r}' if key else 'clbench'}; leave it out here")
    return word


class Share(Record):
    """What a job of one kind is given."""

    cores: Count = 1
    """Processor cores."""
    memory_gb: Positive = 8.0
    """Main memory."""
    gpus: Natural = 0
    """GPUs; a stage trains on one."""
    hours: Positive | None = None
    """Time limit; left out, it is ``time_factor`` times the plan's estimate."""
    partition: Text | None = None
    """Where it is not the cluster profile's."""


class SlurmProfile(Record):
    """What Slurm is told of every job."""

    partition: Text | None = None
    """The partition; left out, the cluster's default."""
    account: Text | None = None
    """The account; left out, yours."""
    qos: Text | None = None
    """The quality of service."""
    constraint: Text | None = None
    """Features that a node must have, such as ``a100``."""
    stage: Share = Share()
    """Of a stage: training and evaluation."""
    prepare: Share = Share(cores=4, memory_gb=16.0)
    """Of the preparation of the data, which uses all its cores."""
    time_factor: Positive = 3.0
    """A time limit in terms of the plan's estimate, where ``hours`` is not written."""
    longest_hours: Positive = 24.0
    """No time limit is longer; a stage that needs more goes on where it was stopped."""
    stop_seconds: Natural = 120
    """How long before its time is up a job is asked to stop at its next checkpoint."""
    poll_seconds: Count = 20
    """How often Slurm is asked what became of the jobs."""
    container: Text | None = None
    """What to put before a job's command, such as ``apptainer exec --nv FILE.sif``; its own clbench is used."""
    extra: tuple[Annotated[Text, AfterValidator(_free)], ...] = Field(default=())
    """Further options of sbatch, one a line, such as ``--mail-type=FAIL``."""


def read_slurm_profile(file: Path) -> SlurmProfile:
    """Read a profile.

    Raises:
        DefinitionError: something is wrong with it; everything that is.
    """
    result = checked(SlurmProfile, read_document(file))
    if result.value is None:
        raise DefinitionError(result.problems)
    return result.value
