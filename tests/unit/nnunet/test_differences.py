"""What a dataset loses, on grids made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clbench.nnunet.differences import Grid, loss_of

from .planners import case

STATISTICS = {"percentile_00_5": -1.0, "percentile_99_5": 1.0, "mean": 0.5, "std": 0.25}
GRID = Grid(
    axes=(0, 1, 2), spacing=(2.0, 2.0, 2.0), median_image=(16.0, 16.0, 16.0), patch=(16, 16, 16), strides=(),
    kernels=(), features=(), schemes=("CTNormalization",), intensities=(STATISTICS,), derived=False,
)  # fmt: skip


def test_a_patch_longer_than_the_image_along_one_axis_does_not_make_up_for_another():
    shared = replace(GRID, spacing=(4.0, 1.0, 2.0), patch=(16, 8, 16))
    loss = loss_of([case((16, 16, 16), (2, 2, 2))], GRID, shared)
    assert loss.median_image == (8, 32, 16)
    assert loss.covered == 8 / 32
    assert loss.covered_by_own == 1


def test_foreground_is_clipped_and_scaled_by_the_shared_statistics():
    loss = loss_of([case((8, 8, 8), (2, 2, 2), (-3.0, 0.0, 0.5, 3.0))], GRID, GRID)
    assert loss.clipped == (0.5,)
    assert loss.mean[0] == pytest.approx((-6 - 2 + 0 + 2) / 4)
    without = loss_of([case((8, 8, 8), (2, 2, 2))], GRID, replace(GRID, schemes=("ZScoreNormalization",)))
    assert (without.clipped, without.mean, without.sd) == ((None,), (None,), (None,))
