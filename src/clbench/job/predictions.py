"""Predicted label maps that a stage keeps, for pictures and for viewers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np

from clbench.nnunet.writing import write_label_map
from clbench.plan.kept import KEPT, kept_path
from clbench.store import JobFolder, Json


def discard_predictions(folder: JobFolder) -> None:
    """Delete what an earlier evaluation kept."""
    shutil.rmtree(folder.path / KEPT, ignore_errors=True)


def keep_prediction(folder: JobFolder, task: str, case: str, label: np.ndarray, properties: Json) -> None:
    """Write one case's label map, whole or not at all.

    Args:
        folder: the stage's.
        task: whose case it is.
        case: its name.
        label: in native space and the task's own numbers, in the axis order of nnU-Net's reader.
        properties: what nnU-Net noted of the case.
    """
    path = kept_path(folder, task, case)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    write_label_map(unfinished, label, properties)
    os.replace(unfinished, path)


def kept_predictions(folder: JobFolder) -> list[str]:
    """The kept files by their path relative to the job's folder."""
    return sorted(str(path.relative_to(folder.path)) for path in _files(folder.path / KEPT))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*/*.nii.gz") if not path.name.startswith(".")]
