"""A finished stage as a folder that unmodified nnU-Net predicts with."""

from __future__ import annotations

from pathlib import Path

from clbench.errors import ClbenchError, CorruptArtifact, MissingEnvironment
from clbench.job.evaluate import load_network
from clbench.job.stage import trainee_of
from clbench.job.trainee import load_model
from clbench.nnunet.checkpoint import write_model
from clbench.plan import Job, Plan
from clbench.store import Store


def export(plan: Plan, job: Job, store: Store, target: Path, head: str | None = None) -> str:
    """Write a stage's trunk with one task's head as an nnU-Net model folder.

    Args:
        plan: the run's plan.
        job: the stage.
        store: where its artifacts are.
        target: the folder to write.
        head: whose head; the stage's own task if None.

    Returns:
        The task whose head it is.

    Raises:
        MissingEnvironment: the stage is not finished, or damaged.
        ClbenchError: the stage has no such head.
    """
    trainee = trainee_of(job, store)
    if trainee.folder.read("trained") is None:
        raise MissingEnvironment(f"{job.title} is not trained yet; `clbench run` trains it")
    try:
        saved = load_model(trainee.folder, "checkpoint_final")
    except CorruptArtifact as error:
        raise MissingEnvironment(f"{error}; `clbench run` trains {job.title} again") from error
    task, known = head or trainee.spec.tasks[0], trainee.spec.so_far
    if task not in known:
        raise ClbenchError(f"{job.title} has no head {task!r}; it has {', '.join(sorted(known))}")
    network = load_network(trainee, "checkpoint_final")
    write_model(
        target, "checkpoint_final", trainee.predicting(task), network.nnunet_weights(task),
        saved["optimizer_state"], saved["grad_scaler_state"] or {}, saved["current_epoch"], trainee.spec.mirror, {},
    )  # fmt: skip
    return task
