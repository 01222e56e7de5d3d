"""The checkpoint from elsewhere that a stage begins with: found wrong before anything is trained."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from clbench.errors import ClbenchError, CorruptArtifact, MissingEnvironment
from clbench.job.prepared import Prepared
from clbench.network.heads import MultiHeadNetwork, Weights
from clbench.nnunet.fitting import check_fit
from clbench.nnunet.parts import NnunetParts
from clbench.nnunet.pretrained import read_trunk
from clbench.plan import Job, Plan, StageSpec
from clbench.store import Store, file_digest


def start_weights(job: Job, network: nn.Module) -> Weights:
    """The trunk that a stage begins with.

    Args:
        job: a stage with a checkpoint to start from.
        network: the trunk that takes it.

    Raises:
        MissingEnvironment: the file is gone.
        ClbenchError: it has changed since the stage was planned, is no checkpoint, or does not fit.
    """
    path, spec = Path(job.start), StageSpec.model_validate(job.spec)
    if not path.is_file():
        raise MissingEnvironment(f"{path}, which {job.title!r} starts from, is not there any more")
    if file_digest(path) != spec.start:
        raise ClbenchError(f"{path} has changed since this run was planned; start the run again")
    weights = read_trunk(path)
    check_fit(network, weights, str(path))
    return weights


def require_starts(plan: Plan, store: Store) -> None:
    """Refuse a plan one of whose checkpoints can't be started from, as far as that is known.

    Whether one fits is known when the plan of the network is: once the data are prepared.

    Raises:
        MissingEnvironment, ClbenchError: as ``start_weights``.
    """
    for job in {job.start: job for job in plan.jobs if job.start}.values():
        weights, network = read_trunk(Path(job.start)), _network(job, store)
        if network is not None:
            check_fit(network, weights, job.start)


def _network(job: Job, store: Store) -> nn.Module | None:
    """The trunk of a stage's network, if its data are prepared."""
    prepared = Prepared(store.job(job.parents[0]))
    try:
        if prepared.folder.read("result") is None:
            return None
    except CorruptArtifact:
        return None
    task = StageSpec.model_validate(job.spec).tasks[0]
    parts = NnunetParts(prepared.plans, prepared.tasks[task].dataset_json, torch.device("cpu"))
    return MultiHeadNetwork(parts.network()).trunk
