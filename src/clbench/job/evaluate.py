"""A stage's evaluation: every task it is asked for, each with its own head, in native space."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from clbench.evaluation.metrics import measure_case
from clbench.job.assembly import take_over
from clbench.job.memory import naming_case
from clbench.job.predict import predict_case
from clbench.job.predictions import discard_predictions, keep_prediction
from clbench.job.progress import Progress
from clbench.job.train import snapshot_name
from clbench.job.trainee import Trainee, load_model
from clbench.network.heads import MultiHeadNetwork
from clbench.network.losses import own_labels
from clbench.nnunet.loader import CaseLibrary
from clbench.store import Json


def evaluate(trainee: Trainee, progress: Progress) -> list[Json]:
    """Measure every model of a stage on the validation cases of every task it is evaluated on.

    Returns:
        ``{epoch, task, case, label, metric, value}``, one per number.
    """
    spec = trainee.spec
    models = [(epoch, snapshot_name(epoch)) for epoch in spec.snapshots] + [(spec.epochs, "checkpoint_final")]
    discard_predictions(trainee.folder)
    return [
        {"epoch": epoch, **row}
        for epoch, name in models
        for row in measure_model(trainee, name, progress, trainee.job.asked.predictions and epoch == spec.epochs)
    ]


def measure_model(trainee: Trainee, name: str, progress: Progress, keep: bool = False) -> Iterator[Json]:
    """Measure one model of a stage on the validation cases of every task that its job is evaluated on.

    Args:
        trainee: the stage; the model lies in its folder.
        name: the checkpoint's file name without its ending.
        progress: counts the cases.
        keep: whether predictions are kept in the folder.

    Yields:
        ``{task, case, label, metric, value}``, one per number.
    """
    library = CaseLibrary({task: trainee.prepared.tasks[task].preprocessed for task in trainee.job.evaluate})
    network = load_network(trainee, name)
    for task in trainee.job.evaluate:
        for case in trainee.prepared.tasks[task].val:
            with naming_case(task, case):
                rows = list(_case(trainee, network, library, task, case, keep))
            yield from ({"task": task, "case": case, **row} for row in rows)
            progress.advance(f"evaluating {task}")


def cases_to_evaluate(trainee: Trainee) -> int:
    """How many predictions an evaluation makes."""
    cases = sum(len(trainee.prepared.tasks[task].val) for task in trainee.job.evaluate)
    return cases * (1 + len(trainee.spec.snapshots))


def load_network(trainee: Trainee, name: str) -> MultiHeadNetwork:
    """A model of the stage with all its heads."""
    network = MultiHeadNetwork(trainee.parts(trainee.spec.tasks[0]).network(), trainee.spec.heads)
    take_over(network, load_model(trainee.folder, name), trainable=())
    return network.place(trainee.device, trainee.memory_format).eval()


def _case(
    trainee: Trainee, network: MultiHeadNetwork, library: CaseLibrary, task: str, case: str, keep: bool
) -> Iterator[Json]:  # fmt: skip
    """Predict one case and measure it; in a joined softmax a task's own classes, whichever head is asked for."""
    prepared = trainee.prepared.tasks[task]
    own = network.layout == "joined" or trainee.job.evaluate_with == "own"
    head = task if own else trainee.spec.tasks[0]
    data, _, _, properties = library.load_case((task, case))
    labels = predict_case(
        network, trainee.predicting(head), head, np.asarray(data[:]), properties, trainee.spec.mirror
    )
    prediction = own_labels(torch.from_numpy(labels), network.channels(head)).numpy()
    reference = prepared.reference_label(case)
    if keep:
        keep_prediction(trainee.folder, task, case, prediction, properties)
    asked = trainee.job.asked
    for m in measure_case(
        prediction, reference, prepared.labels, properties["spacing"], asked.metrics, asked.tolerances.get(task)
    ):
        yield {"label": m.label, "metric": m.metric, "value": m.value}
