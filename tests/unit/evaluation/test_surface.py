"""Surface distances against hand-made cases, a brute-force computation and MONAI's own functions."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clbench.evaluation.metrics import measure_case
from clbench.evaluation.surface import hd95_mm, nsd

MASKS = arrays(bool, (5, 4, 3))
SPACINGS = st.tuples(*[st.sampled_from([0.5, 1.0, 1.7, 3.0])] * 3)


def voxel(*place: int) -> np.ndarray:
    mask = np.zeros((5, 5, 5), bool)
    mask[place] = True
    return mask


def cube(start: tuple[int, int, int], size: int = 4) -> np.ndarray:
    mask = np.zeros((12, 12, 12), bool)
    mask[tuple(slice(s, s + size) for s in start)] = True
    return mask


def border(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Places in mm of the voxels with a face neighbour outside of the mask, the image's outside included."""
    padded = np.pad(mask, 1)
    inner = padded.copy()
    for axis in range(mask.ndim):
        for step in (-1, 1):
            inner &= np.roll(padded, step, axis)
    return (np.argwhere(padded & ~inner) - 1) * spacing


def directed(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.sqrt(((ones[:, None] - others[None]) ** 2).sum(-1)).min(1)


def corners(mask: np.ndarray, spacing: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Places in mm of the corners between 2 × 2 × 2 voxels of which some are in the mask, and those voxels."""
    padded = np.pad(mask, 1)
    size = [length - 1 for length in padded.shape]
    around = np.stack([
        padded[x : x + size[0], y : y + size[1], z : z + size[2]]
        for x, y, z in np.ndindex(2, 2, 2)
    ], -1)  # fmt: skip
    places = np.argwhere(around.any(-1) & ~around.all(-1))
    return places * spacing, around[tuple(places.T)]


def areas(around: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Of the surface in each corner's box, by the table that surface-distance and MONAI share."""
    from monai.metrics.utils import create_table_neighbour_code_to_surface_area

    codes = (around * (2 ** np.arange(7, -1, -1))).sum(-1)
    table, _ = create_table_neighbour_code_to_surface_area(spacing)
    return table.numpy()[codes]


def brute_nsd(one: np.ndarray, other: np.ndarray, spacing: tuple[float, ...], tolerance: float) -> float:
    (p, pa), (q, qa) = corners(one, spacing), corners(other, spacing)
    wp, wq = areas(pa, spacing), areas(qa, spacing)
    right = wp[directed(p, q) <= tolerance].sum() + wq[directed(q, p) <= tolerance].sum()
    return float(right / (wp.sum() + wq.sum()))


def test_two_voxels_2_mm_apart_have_hd95_2_and_nsd_half_at_1_mm_and_all_at_2_mm():
    """The case of surface-distance's own tests, which has .5 at 1 mm."""
    one, other = voxel(1, 2, 2), voxel(3, 2, 2)
    assert hd95_mm(one, other, (1, 1, 1)) == 2
    assert nsd(one, other, (1, 1, 1), 1.0) == pytest.approx(0.5)
    assert nsd(one, other, (1, 1, 1), 0.5) == 0
    assert nsd(one, other, (1, 1, 1), 2.0) == 1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_cube_shifted_along_an_axis_is_that_axis_spacing_away(axis):
    spacing = (0.7, 1.5, 3.0)
    start = [4, 4, 4]
    start[axis] += 2
    shifted = cube(tuple(start))
    assert hd95_mm(cube((4, 4, 4)), shifted, spacing) == pytest.approx(2 * spacing[axis])
    assert nsd(cube((4, 4, 4)), shifted, spacing, 2.01 * spacing[axis]) == 1
    assert 0 < nsd(cube((4, 4, 4)), shifted, spacing, 0.5 * min(spacing)) < 1


def test_hd95_forgives_a_twentieth_of_the_border_and_takes_the_worse_direction():
    slab = np.zeros((40, 40, 12), bool)
    slab[:, :, :2] = True
    spiked = slab.copy()
    spiked[20, 20, 11] = True
    assert hd95_mm(slab, spiked, (1, 1, 1)) == 0
    far = slab.copy()
    far[:20, :, 11] = True
    assert hd95_mm(slab, far, (1, 1, 1)) == hd95_mm(far, slab, (1, 1, 1)) == 10


@settings(max_examples=40)
@given(MASKS, MASKS, SPACINGS)
def test_hd95_is_that_of_every_border_voxel_held_against_every_other(prediction, reference, spacing):
    if prediction.any() and reference.any():
        p, q = border(prediction, spacing), border(reference, spacing)
        expected = max(np.quantile(directed(p, q), 0.95), np.quantile(directed(q, p), 0.95))
        assert hd95_mm(prediction, reference, spacing) == pytest.approx(expected, rel=1e-5)


@settings(max_examples=40)
@given(MASKS, MASKS, SPACINGS, st.sampled_from([0.3, 1.1, 2.9]))
def test_nsd_is_that_of_every_surface_element_held_against_every_other(prediction, reference, spacing, tolerance):
    if prediction.any() and reference.any():
        expected = brute_nsd(prediction, reference, spacing, tolerance)
        assert nsd(prediction, reference, spacing, tolerance) == pytest.approx(expected, abs=1e-5)


@settings(max_examples=30)
@given(MASKS, MASKS, SPACINGS)
def test_both_are_what_monais_own_functions_give_for_the_whole_image(one, other, spacing):
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    if one.any() and other.any():
        one, other = np.pad(one, ((0, 3), (2, 0), (1, 1))), np.pad(other, ((0, 3), (2, 0), (1, 1)))
        masks = [torch.from_numpy(mask)[None, None].float() for mask in (one, other)]
        kept = {"include_background": True, "spacing": list(spacing)}
        theirs = float(compute_surface_dice(*masks, [1.5], use_subvoxels=True, **kept))
        assert nsd(one, other, spacing, 1.5) == pytest.approx(theirs, abs=1e-6)
        assert hd95_mm(one, other, spacing) == float(compute_hausdorff_distance(*masks, percentile=95, **kept))


def test_both_empty_is_undefined_and_one_empty_has_the_worst_value():
    empty, full = np.zeros((5, 5, 5), bool), voxel(2, 2, 2)
    assert nsd(empty, empty, (1, 1, 1), 2) is None
    assert hd95_mm(empty, empty, (1, 1, 1)) is None
    for pair in ((empty, full), (full, empty)):
        assert nsd(*pair, (1, 1, 1), 2) == 0
        assert hd95_mm(*pair, (3, 4, 12)) == pytest.approx(5 * 13)


def test_only_what_is_asked_for_is_measured_label_by_label():
    reference = np.zeros((6, 6, 6), np.uint8)
    reference[1:3], reference[4:5] = 1, 2
    plain = measure_case(reference, reference, ("a", "b"), (1, 1, 1))
    assert {m.metric for m in plain} == {"dice", "predicted_ml", "reference_ml"}
    found = measure_case(np.where(reference == 2, 0, reference), reference, ("a", "b"), (1, 1, 1),
                         ("dice", "nsd", "hd95"), 2.0)  # fmt: skip
    values = {(m.label, m.metric): m.value for m in found}
    assert (values["a", "nsd"], values["a", "hd95_mm"]) == (1, 0)
    assert (values["b", "nsd"], values["b", "hd95_mm"]) == (0, pytest.approx(6 * 3**0.5))


def test_a_case_without_surface_metrics_never_imports_monai():
    code = (
        "import sys, numpy as np; from clbench.evaluation.metrics import measure_case; "
        "measure_case(np.ones((2, 2, 2)), np.ones((2, 2, 2)), ('a',), (1, 1, 1)); sys.exit('monai' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
