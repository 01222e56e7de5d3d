"""A ``3d_lowres`` configuration for images that nnU-Net plans none for, by nnU-Net's own rules.

nnU-Net plans one only if the patch of the full resolution covers less than a quarter of the median image. It then
coarsens the spacing step by step until a patch covers a quarter, and keeps what comes out only if the image is at
most half as large. Here the same steps go on until both hold, so the result is the mildest one that nnU-Net would
have kept; where nnU-Net plans a ``3d_lowres`` itself, it is the same.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.utilities.json_export import recursive_fix_for_json_export

FULLRES, LOWRES = "3d_fullres", "3d_lowres"
STEP = 1.03
SMALLER = 2
"""How many times fewer voxels the image must have."""


def derive_lowres(planner: ExperimentPlanner, fullres: dict[str, Any]) -> dict[str, Any]:
    """Derive ``3d_lowres`` from ``3d_fullres``.

    Args:
        planner: the planner that planned ``fullres``; called where it can still see its folders.
        fullres: the configuration as nnU-Net writes it.
    """
    fine, shape = np.array(fullres["spacing"]), np.array(fullres["median_image_size_in_voxels"])
    spacing, share = fine.copy(), 0.0
    estimates: dict[str, Any] = {}
    while share < planner.lowres_creation_threshold:
        spacing = _coarser(spacing)
        small = fine / spacing * shape
        if np.prod(shape) / np.prod(small) >= SMALLER:
            lowres = _plan(planner, spacing, small, estimates)
            share = np.prod(lowres["patch_size"]) / np.prod(small)
    return lowres


def _coarser(spacing: np.ndarray) -> np.ndarray:
    """One step: axes more than twice as fine as the coarsest first, then all."""
    finer = spacing.max() / spacing > 2
    return np.where(finer if finer.any() else True, spacing * STEP, spacing)


def _plan(
    planner: ExperimentPlanner, spacing: np.ndarray, shape: np.ndarray, estimates: dict[str, Any]
) -> dict[str, Any]:
    voxels = float(np.prod(shape) * planner.dataset_json["numTraining"])
    name, rounded = planner.generate_data_identifier(LOWRES), tuple(round(side) for side in shape)
    planned: dict[str, Any] = planner.get_plans_for_configuration(spacing, rounded, name, voxels, estimates)
    planned.update(batch_dice=False, next_stage="3d_cascade_fullres")
    recursive_fix_for_json_export(planned)
    return dict(json.loads(json.dumps(planned)))
