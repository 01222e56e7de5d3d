"""What is worth knowing of a benchmark's data, for preflight, plan and the report."""

from __future__ import annotations

from clbench.data.notes import axes_between
from clbench.definitions.normalisation import channel_notes
from clbench.plan.records import PrepareSpec


def data_notes(spec: PrepareSpec) -> list[str]:
    """What is odd about the tasks' data, of one or between several, in sentences."""
    chosen = {"own": spec.plans.task, "file": "the definition's plans file"}.get(spec.plans.rule)
    channels = channel_notes(spec.tasks, chosen)
    own = [f"{task}: {note}" for task, dataset in spec.datasets.items() for note in dataset.notes]
    axes = {task: dataset.axes for task, dataset in spec.datasets.items()}
    return [*channels, *axes_between(axes), *own]
