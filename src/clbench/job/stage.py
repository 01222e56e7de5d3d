"""A stage's job: train unless that is done, then evaluate."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from clbench.arithmetic import CUDA
from clbench.errors import CorruptArtifact
from clbench.job.evaluate import cases_to_evaluate, evaluate
from clbench.job.memory import naming_memory
from clbench.job.predictions import kept_predictions
from clbench.job.prepared import Prepared
from clbench.job.progress import Progress
from clbench.job.train import train
from clbench.job.trainee import Trainee
from clbench.nnunet.loader import workers_on
from clbench.plan import Job, Plan, StageSpec
from clbench.store import JobFolder, Json, Store, digest


def run_stage(plan: Plan, job: Job, store: Store) -> Json:
    """Train and evaluate a stage, each only if it is not done, and seal the result.

    Returns:
        The ``result`` document: measurements, cost, evidence.
    """
    torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = True  # as nnU-Net does; only CUDA cares
    trainee = trainee_of(job, store)
    progress = Progress(trainee.folder, trainee.spec.epochs + cases_to_evaluate(trainee))
    trained = _trained(trainee) or train(trainee, progress)
    progress.at("evaluating", trainee.spec.epochs)
    start = time.perf_counter()
    with naming_memory(trainee, "evaluating"):
        measurements = evaluate(trainee, progress)
    cost = {**trained["cost"], "evaluate_seconds": time.perf_counter() - start}
    content = {
        "evaluation": job.evaluation, "measurements": measurements, "cost": cost, "evidence": trained["evidence"],
        "losses": trained["losses"], "plan": digest(trainee.prepared.plans),
        "arithmetic": trained["arithmetic"], "trace": trained["trace"], "arrays": trained["arrays"],
    }  # fmt: skip
    content |= {"monitor": trained["monitor"]} if "monitor" in trained else {}
    return trainee.folder.finish("result", content, [*trained["files"], *kept_predictions(trainee.folder)])


def trainee_of(job: Job, store: Store) -> Trainee:
    """What a stage is made of, read from its row and the store."""
    cuda = job.arithmetic in ("", CUDA) and torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    parent = store.job(job.parents[1]) if len(job.parents) > 1 else None
    if job.restart:
        parent = JobFolder(Path(job.restart))
    prepared = Prepared(store.job(job.parents[0]))
    spec, folder = StageSpec.model_validate(job.spec), store.job(job.id)
    return Trainee(job, spec, folder, parent, prepared, device, workers_on(device))


def _trained(trainee: Trainee) -> Json | None:
    """The finished training, if it is there and whole."""
    try:
        return trainee.folder.check("trained")
    except CorruptArtifact as error:
        print(f"{error}; training again", flush=True)
        trainee.folder.discard()
        return None
