"""The options that say where jobs run."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import Any

import click

from clbench.cli.options import PATH, F
from clbench.errors import ClbenchError
from clbench.execute.backends import Backend, Local
from clbench.execute.gpus import usable_gpus
from clbench.execute.lease import lease_folder

ENGINES = ("local", "slurm")
LONGEST = (2**31 - 1) // 60
"""Minutes that the system's alarm clock can be set to."""


def backend_options(command: F) -> F:
    """``--jobs``, ``--gpus``, ``--time-limit``, ``--engine``, ``--profile``; the command receives one ``backend``."""

    @wraps(command)
    def with_backend(
        *args: Any, jobs: int | None, gpus: tuple[str, ...], engine: str, profile: Path | None,
        time_limit: int | None, **others: Any,
    ) -> Any:  # fmt: skip
        return command(*args, backend=_backend(engine, jobs, gpus, profile, time_limit), **others)

    for option in reversed(_OPTIONS):
        with_backend = option(with_backend)
    return with_backend  # type: ignore[return-value]


def _names(_context: click.Context, _option: click.Parameter, text: str) -> tuple[str, ...]:
    names = tuple(word.strip() for word in text.split(",") if word.strip())
    if len(set(names)) < len(names):
        raise click.BadParameter(f"{text!r} names a GPU twice")
    return names


_OPTIONS = (
    click.option("--jobs", type=click.IntRange(min=1),
                 help="Jobs side by side.  [default: one per GPU; without GPUs, one per core; on Slurm, all]"),
    click.option("--gpus", default="", metavar="0,1,…", callback=_names,
                 help="The GPUs to train on; more --jobs than GPUs share them.  [default: all]"),
    click.option("--time-limit", type=click.IntRange(1, LONGEST), metavar="MINUTES",
                 help="Kill a job that takes longer; run again, it goes on from its last epoch.  [default: none]"),
    click.option("--engine", type=click.Choice(ENGINES), default="local", show_default=True,
                 help="Where jobs run: on this machine, or each as a job of Slurm."),
    click.option("--profile", type=PATH, metavar="FILE",
                 help="With --engine slurm: a YAML file with partition, account, time and memory."),
)  # fmt: skip


def _backend(
    engine: str, jobs: int | None, gpus: tuple[str, ...], profile: Path | None, minutes: int | None
) -> Backend:
    """The place that the options name.

    Raises:
        ClbenchError: options that don't go together, a GPU that is not there, something wrong in the profile.
        MissingEnvironment: there is no such place here.
    """
    if engine == "slurm":
        if gpus:
            raise ClbenchError("--gpus chooses among this machine's; on Slurm, `gpus:` in the profile says how many")
        if minutes:
            raise ClbenchError("--time-limit is for this machine; on Slurm, `hours:` in the profile says how long")
        from clbench.execute.slurm import slurm

        return slurm(jobs, profile)
    if profile is not None:
        raise ClbenchError("--profile goes with --engine slurm")
    found = usable_gpus(gpus)
    return Local(jobs, found, lease_folder(), minutes) if found else Local(jobs, minutes=minutes)
