"""nnU-Net's planner on fingerprints made by hand."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner

from clbench.nnunet import planning
from clbench.nnunet.planning import PLANS_NAME, UNION, CaseFingerprint, pool_fingerprints

DESCRIPTION = {
    "channel_names": {"0": "CT"}, "labels": {"background": 0, "organ": 1}, "numTraining": 4,
    "file_ending": ".nii", "overwrite_image_reader_writer": "NibabelIO",
}  # fmt: skip


class SmallPlanner(ExperimentPlanner):
    """nnU-Net's planner with few features for little memory, so that small images are large to it."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, gpu_memory_target_in_gb=0.08, **kwargs)
        self.UNet_base_num_features = 4


def case(shape, spacing, intensities=(0.0, 1.0, 2.0, 3.0)):
    return CaseFingerprint(tuple(shape), tuple(spacing), (np.array(intensities),), 1.0)


def example(folder):
    """A file that names a reader; planning never opens it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "example.nii"
    path.write_bytes(b"")
    return path


def stock_plans(cases, folder, description=None, planner=ExperimentPlanner, use=lambda planner, plans: None):
    """What nnU-Net's own planner writes for a dataset of these cases; ``use`` may ask the planner for more."""
    cases = list(cases)
    description = {**(description or DESCRIPTION), "numTraining": len(cases)}
    planning._lay_out_union(pool_fingerprints(cases), description, example(folder / "image"), folder / "nnunet")
    with planning._nnunet_environment(folder / "nnunet"), contextlib.redirect_stdout(io.StringIO()):
        made = planner(UNION, plans_name=PLANS_NAME)
        made.plan_experiment()
        plans = json.loads((folder / "nnunet/preprocessed" / UNION / f"{PLANS_NAME}.json").read_text())
        return plans, use(made, plans)
