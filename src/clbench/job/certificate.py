"""The certificate's two sides: what a reference keeps of its networks, and the job that begins there again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch

from clbench.job.assembly import assemble
from clbench.job.evaluate import measure_model
from clbench.job.memory import naming_memory
from clbench.job.progress import Progress
from clbench.job.stage import trainee_of
from clbench.job.trainee import Trainee, load_model
from clbench.nnunet import checkpoint
from clbench.plan import Job
from clbench.results.arrays import SKETCHED
from clbench.store import JobFolder, Json, Store

MODEL, MEMORY = "model/fold_0/checkpoint_final.pth", "memory.pth"


def keep_network(trained: JobFolder, target: JobFolder) -> None:
    """Copy what a following stage begins with: the network without its optimiser, and the method's memory.

    Raises:
        CorruptArtifact: the stage's files are missing or damaged.
    """
    network, memory, files = load_model(trained, "checkpoint_final"), trained.path / MEMORY, [MODEL]
    kept = {key: network[key] for key in ("network_weights", "clbench")}
    (target.path / MODEL).parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(target.path / MODEL, kept)
    if memory.exists():
        checkpoint.save(target.path / MEMORY, checkpoint.load(memory))
        files.append(MEMORY)
    target.finish("trained", {}, files)


def certify(job: Job, store: Store) -> Json:
    """Begin a stage at the reference's network, or predict the reference's last one.

    The beginning is trained on the CPU wherever the stage itself is trained: there, rounding is known.

    Returns:
        The ``result`` document, with a trace or with measurements.
    """
    torch.set_num_threads(1)
    trainee = trainee_of(job, store)
    if job.predict:
        found: Json = {"measurements": _predicted(trainee, JobFolder(Path(job.predict)))}
    else:
        trainee = replace(trainee, device=torch.device("cpu"), workers=0)
        found = {"trace": _begun(trainee)}
    content = {"evaluation": job.evaluation, "arithmetic": trainee.arithmetic, **found}
    return trainee.folder.finish("result", content, [])


def _begun(trainee: Trainee) -> Json:
    with naming_memory(trainee, "beginning"):
        stage, _, _ = assemble(trainee)
    with naming_memory(trainee, "training", stage):
        stage.train_first(min(SKETCHED[-1], trainee.spec.epochs * trainee.spec.iterations))
    return stage.trace.record()


def _predicted(trainee: Trainee, network: JobFolder) -> list[Json]:
    progress = Progress(trainee.folder, sum(len(trainee.prepared.tasks[task].val) for task in trainee.job.evaluate))
    with naming_memory(trainee, "evaluating"):
        rows: Iterable[Json] = measure_model(replace(trainee, folder=network), "checkpoint_final", progress)
        return [row for row in rows if row["metric"] == "dice"]
