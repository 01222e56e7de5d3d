"""Resampling with less memory gives nnU-Net's own bits."""

from __future__ import annotations

import tracemalloc
from functools import partial

import numpy as np
import pytest
import torch
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

from clbench.nnunet.resampling import lean

KINDS = {
    "data": partial(resample_data_or_seg_to_shape, is_seg=False, order=3, order_z=0, force_separate_z=None),
    "seg": partial(resample_data_or_seg_to_shape, is_seg=True, order=1, order_z=0, force_separate_z=None),
    "probabilities": partial(resample_data_or_seg_to_shape, is_seg=False, order=1, order_z=0, force_separate_z=None),
}
GRIDS = {  # shape, new shape, spacing, new spacing
    "thick first axis, more slices": ((9, 20, 24), (13, 25, 19), (5.0, 1.0, 1.0), (3.4, 0.8, 1.26)),
    "thick first axis, fewer slices": ((13, 20, 24), (9, 25, 19), (4.0, 1.0, 1.0), (5.8, 0.8, 1.26)),
    "thick last axis": ((20, 24, 9), (25, 19, 14), (1.0, 1.0, 5.0), (0.8, 1.26, 3.2)),
    "thick middle axis, in-plane as it is": ((20, 9, 24), (20, 14, 24), (1.0, 5.0, 1.0), (1.0, 3.2, 1.0)),
    "thick slices, as many": ((9, 20, 24), (9, 25, 19), (5.0, 1.0, 1.0), (5.0, 0.8, 1.26)),
    "isotropic": ((12, 20, 24), (13, 25, 19), (1.0, 1.0, 1.0), (0.92, 0.8, 1.26)),
    "nothing to do": ((9, 20, 24), (9, 20, 24), (5.0, 1.0, 1.0), (5.0, 1.0, 1.0)),
}


def some(kind: str, shape: tuple[int, ...]) -> np.ndarray | torch.Tensor:
    rng = np.random.default_rng(0)
    if kind == "seg":
        return rng.integers(-1, 3, (1, *shape)).astype(np.int16)
    if kind == "probabilities":
        return torch.from_numpy(rng.normal(size=(3, *shape)).astype(np.float16))
    return rng.normal(size=(2, *shape)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grid", GRIDS)
def test_images_labels_and_logits_come_out_as_nnunets_to_the_bit(kind: str, grid: str) -> None:
    shape, new_shape, spacing, target = GRIDS[grid]
    theirs = KINDS[kind](some(kind, shape), new_shape, spacing, target)
    ours = lean(KINDS[kind])(some(kind, shape), new_shape, spacing, target)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


def test_what_a_plan_chose_instead_of_the_default_is_left_to_it() -> None:
    shape, new_shape, spacing, target = GRIDS["thick first axis, more slices"]
    smooth = partial(KINDS["data"].func, **{**KINDS["data"].keywords, "order_z": 1})
    np.testing.assert_array_equal(
        lean(smooth)(some("data", shape), new_shape, spacing, target),
        smooth(some("data", shape), new_shape, spacing, target),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spacing", [(5.0, 1.0, 1.0), (1.0, 1.0, 1.0)], ids=["thick slices", "isotropic"])
def test_resampling_takes_less_than_64_bytes_a_voxel(kind: str, spacing: tuple[float, ...]) -> None:
    """A case of 512 × 512 × 400 voxels then takes less than 7 GB, and nothing else is as large."""
    shape = (40, 256, 256)
    array = some(kind, shape)[:1]
    tracemalloc.start()
    lean(KINDS[kind])(array, (39, 250, 250), spacing, tuple(s * 1.025 for s in spacing))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / np.prod(shape) < 64
