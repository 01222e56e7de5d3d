"""What is measured on one case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Measurement:
    """One number of one case.

    Attributes:
        label: the label's name.
        metric: ``dice`` (0 to 1), ``predicted_ml`` or ``reference_ml`` (millilitres).
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
    prediction: np.ndarray, reference: np.ndarray, labels: tuple[str, ...], voxel_ml: float
) -> list[Measurement]:
    """Dice and volumes of every foreground label.

    Args:
        prediction: label map in native space; label ``i + 1`` is ``labels[i]``.
        reference: the same shape.
        labels: names of the foreground labels.
        voxel_ml: volume of a voxel in millilitres.
    """
    result = []
    for value, name in enumerate(labels, start=1):
        predicted, real = prediction == value, reference == value
        result.append(Measurement(name, "dice", dice(predicted, real)))
        result.append(Measurement(name, "predicted_ml", float(np.count_nonzero(predicted) * voxel_ml)))
        result.append(Measurement(name, "reference_ml", float(np.count_nonzero(real) * voxel_ml)))
    return result
