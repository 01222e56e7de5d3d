"""What is worth knowing of the data of a benchmark before and after it is run: for preflight, prepare and the report."""

from __future__ import annotations

from clbench.data.notes import axes_between
from clbench.plan.records import PrepareSpec


def data_notes(spec: PrepareSpec) -> list[str]:
    """What is odd about the tasks' data, of one or between several, in sentences."""
    own = [f"{task}: {note}" for task, dataset in spec.datasets.items() for note in dataset.notes]
    return [*axes_between({task: dataset.axes for task, dataset in spec.datasets.items()}), *own]
