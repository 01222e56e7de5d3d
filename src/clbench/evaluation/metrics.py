"""What is measured on one case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clbench.evaluation.surface import hd95_mm, nsd


@dataclass(frozen=True)
class Measurement:
    """One number of one case.

    Attributes:
        label: the label's name.
        metric: ``dice`` or ``nsd`` (0 to 1), ``hd95_mm`` (millimetres), ``predicted_ml`` or ``reference_ml``
            (millilitres).
        value: None where the metric is undefined.
    """

    label: str
    metric: str
    value: float | None


def dice(prediction: np.ndarray, reference: np.ndarray) -> float | None:
    """``2 TP / (2 TP + FP + FN)`` of two boolean masks; None if both are empty, as nnU-Net has it.

    Source: nnunetv2/evaluation/evaluate_predictions.py, where both empty is NaN and dropped from the mean.
    """
    both = int(np.count_nonzero(prediction)) + int(np.count_nonzero(reference))
    return None if both == 0 else 2.0 * int(np.count_nonzero(prediction & reference)) / both


def measure_case(
    prediction: np.ndarray, reference: np.ndarray, labels: tuple[str, ...], spacing: Sequence[float],
    metrics: Sequence[str] = ("dice",), tolerance_mm: float | None = None,
) -> list[Measurement]:  # fmt: skip
    """Dice and volumes of every foreground label, and the distances of its surfaces if they are asked for.

    Args:
        prediction: label map in native space; label ``i + 1`` is ``labels[i]``.
        reference: the same shape.
        labels: names of the foreground labels.
        spacing: of the voxels in mm, along the maps' axes.
        metrics: ``nsd`` and ``hd95`` are computed if they are among these.
        tolerance_mm: the distance that ``nsd`` forgives; needed for it.
    """
    voxel_ml = float(np.prod(spacing)) / 1000
    result = []
    for value, name in enumerate(labels, start=1):
        predicted, real = prediction == value, reference == value
        result.append(Measurement(name, "dice", dice(predicted, real)))
        if "nsd" in metrics:
            assert tolerance_mm is not None, "a plan that asks for nsd has every task's tolerance"
            result.append(Measurement(name, "nsd", nsd(predicted, real, spacing, tolerance_mm)))
        if "hd95" in metrics:
            result.append(Measurement(name, "hd95_mm", hd95_mm(predicted, real, spacing)))
        result.append(Measurement(name, "predicted_ml", float(np.count_nonzero(predicted) * voxel_ml)))
        result.append(Measurement(name, "reference_ml", float(np.count_nonzero(real) * voxel_ml)))
    return result
