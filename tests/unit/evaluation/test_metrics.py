"""Dice and volumes against MONAI, hand-made cases and nnU-Net's rule for empties."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra.numpy import arrays

from clbench.evaluation.metrics import dice, measure_case

MASKS = arrays(bool, (4, 3, 2))


def test_hand_made_case():
    reference = np.zeros((1, 1, 4), bool)
    prediction = reference.copy()
    reference[..., :3], prediction[..., 2:] = True, True
    assert dice(prediction, reference) == 2 * 1 / (3 + 2)


def test_two_voxels_that_do_not_touch_have_dice_zero_however_near_they_are():
    """The case of surface-distance's own tests."""
    reference, prediction = np.zeros((2, 5, 5, 5), bool)
    reference[1, 2, 2] = prediction[3, 2, 2] = True
    assert dice(prediction, reference) == 0


@given(MASKS, MASKS)
def test_dice_equals_monais_where_the_reference_has_foreground(prediction, reference):
    from monai.metrics import compute_dice

    masks = (torch.tensor(mask, dtype=torch.float32)[None, None] for mask in (prediction, reference))
    theirs = float(compute_dice(*masks))
    if reference.any():
        assert dice(prediction, reference) == pytest.approx(theirs)


@given(MASKS)
def test_both_empty_is_undefined_and_one_empty_is_zero(mask):
    empty = np.zeros_like(mask)
    assert dice(empty, empty) is None
    if mask.any():
        assert dice(mask, empty) == dice(empty, mask) == 0
        assert dice(mask, mask) == 1


@given(MASKS, MASKS)
def test_dice_is_symmetric_and_between_zero_and_one(prediction, reference):
    value = dice(prediction, reference)
    assert value == dice(reference, prediction)
    assert value is None or 0 <= value <= 1


def test_volumes_are_millilitres_per_label_even_where_nothing_is_predicted():
    reference = np.array([[[1, 1, 2, 0]]])
    found = measure_case(np.zeros((1, 1, 4)), reference, ("a", "b"), (5, 10, 10))
    rows = {(m.label, m.metric): m.value for m in found}
    assert rows[("a", "reference_ml")] == 1.0
    assert rows[("b", "reference_ml")] == 0.5
    assert rows[("a", "predicted_ml")] == 0.0
    assert rows[("a", "dice")] == 0
