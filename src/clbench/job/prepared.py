"""A finished preparation, as stages read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from clbench.store import JobFolder, Json


@dataclass(frozen=True)
class PreparedTask:
    """Where a prepared task lies, and its cases.

    Attributes:
        raw: nnU-Net raw dataset folder, in the job's folder or wherever the user keeps it. Preparation
            and pictures read it; for training and evaluation it may be moved or be gone.
        folder: what the preparation made of it; its ``dataset.json`` has the network's labels.
        labels: names of the foreground labels, in network order.
        train: names of the training cases.
        val: names of the cases that are reported.
    """

    raw: Path
    folder: Path
    labels: tuple[str, ...]
    train: tuple[str, ...]
    val: tuple[str, ...]

    @cached_property
    def dataset_json(self) -> Json:
        """The dataset's description with the network's labels."""
        return dict(json.loads((self.folder / "dataset.json").read_text()))

    @property
    def preprocessed(self) -> Path:
        """The folder of its preprocessed cases."""
        return preprocessed_in(self.folder)

    def reference_label(self, case: str) -> np.ndarray:
        """A reported case's label in native space and network numbers, in the axis order of nnU-Net's reader."""
        with np.load(reference_in(self.folder, case)) as file:
            label: np.ndarray = file["label"]
        return label


def preprocessed_in(folder: Path) -> Path:
    """Where a task's preprocessed cases lie: by themselves, as nnU-Net wants them."""
    return folder / "cases"


def reference_in(folder: Path, case: str) -> Path:
    """Where a reported case's reference label lies."""
    return folder / "reference" / f"{case}.npz"


@dataclass(frozen=True)
class Prepared:
    """A finished preparation, read from its job's folder."""

    folder: JobFolder

    @cached_property
    def plans(self) -> Json:
        """nnU-Net's plans, shared by all tasks."""
        return dict(json.loads((self.folder.path / "plans.json").read_text()))

    @cached_property
    def tasks(self) -> dict[str, PreparedTask]:
        """The tasks by name."""
        result = self.folder.read("result")
        assert result is not None, "a stage starts only after its preparation is done"
        return {name: self._task(entry) for name, entry in result["tasks"].items()}

    def _task(self, entry: dict[str, Any]) -> PreparedTask:
        path, dataset = self.folder.path, entry["dataset"]
        return PreparedTask(
            path / entry["raw"], path / "preprocessed" / dataset, tuple(entry["labels"]), tuple(entry["train"]),
            tuple(entry["val"]),
        )  # fmt: skip
