"""Plan policies against nnU-Net's own planner, its own command for moving plans, and medians taken by hand."""

from __future__ import annotations

import json
import shutil

import pytest

from clbench.errors import ClbenchError, MissingEnvironment
from clbench.job.prepared import Prepared
from clbench.nnunet.labels import LabelScheme
from clbench.nnunet.planning import Backbone, fingerprint_case
from clbench.nnunet.reading import read_case
from clbench.nnunet.unification import Dataset, shared_plan
from clbench.plan import PlanPolicy

from .planners import DESCRIPTION, case, example, stock_plans

FREE = Backbone("3d_fullres", None, None, None, 2)
INTENSITIES = "foreground_intensity_properties_per_channel"


def dataset(folder, *cases, **description):
    return Dataset({**DESCRIPTION, **description}, example(folder / "image"), cases)


@pytest.fixture
def three(tmp_path):
    """One dataset of five cases at 1 mm, one of one at 2 mm, one of one at 3 mm, all of 32 voxels."""
    fine = [case((32, 32, 32), (1, 1, 1), (0.0, 10.0))] * 5
    middle, coarse = (
        case((32, 32, 32), (mm, mm, mm), values) for mm, values in ((2, (100.0, 110.0)), (3, (50.0, 90.0)))
    )
    return {
        "fine": dataset(tmp_path, *fine),
        "coarse": dataset(tmp_path, coarse),
        "middle": dataset(tmp_path, middle),
    }  # fmt: skip


def configuration(plans):
    (only,) = plans["configurations"].values()
    return only


def test_the_shared_plan_is_nnunets_own_plan_of_one_dataset_with_all_cases(three, tmp_path):
    ours = shared_plan(three, PlanPolicy(), FREE, tmp_path / "ours")
    theirs, _ = stock_plans([case for each in three.values() for case in each.cases], tmp_path / "theirs")
    assert configuration(ours)["spacing"] == [1.0, 1.0, 1.0]  # the median of 1 1 1 1 1 3 2
    assert json.dumps(ours) == json.dumps(
        {**theirs, "configurations": {"3d_fullres": theirs["configurations"]["3d_fullres"]}}
    )


def test_under_median_a_dataset_counts_once_however_many_cases_it_has(three, tmp_path):
    plans = shared_plan(three, PlanPolicy(rule="median"), FREE, tmp_path / "ours")
    assert configuration(plans)["spacing"] == [2.0, 2.0, 2.0]  # of 1, 3 and 2
    assert configuration(plans)["median_image_size_in_voxels"] == [32.0, 32.0, 32.0]  # of 16, 48 and 32
    assert plans["original_median_spacing_after_transp"] == [2.0, 2.0, 2.0]
    pooled = shared_plan(three, PlanPolicy(), FREE, tmp_path / "pooled")
    assert plans[INTENSITIES] == pooled[INTENSITIES]


def test_a_datasets_median_case_is_the_median_of_its_cases_along_each_axis(tmp_path):
    spacings, shapes = [(1, 4, 2), (2, 2, 2), (3, 3, 9)], [(30, 40, 50), (32, 32, 32), (90, 20, 40)]
    mixed = [case(shape, spacing) for shape, spacing in zip(shapes, spacings, strict=True)]
    alone = {"mixed": dataset(tmp_path, *mixed)}
    plans = shared_plan(alone, PlanPolicy(rule="median"), FREE, tmp_path / "ours")
    assert plans["original_median_spacing_after_transp"] == [3.0, 2.0, 2.0]  # its coarsest axis comes first
    assert plans["original_median_shape_after_transp"] == [32, 32, 40]
    assert plans["transpose_forward"] == [1, 0, 2]


def test_one_datasets_plan_brings_its_own_statistics_of_ct_normalisation(three, tmp_path):
    plans = shared_plan(three, PlanPolicy(rule="own", task="middle"), FREE, tmp_path / "ours")
    assert configuration(plans)["spacing"] == [2.0, 2.0, 2.0]
    assert plans[INTENSITIES]["0"]["mean"] == 105.0
    assert plans[INTENSITIES]["0"]["std"] == 5.0


def test_what_the_definition_fixes_stands_over_every_policy(three, tmp_path):
    fixed = Backbone("3d_fullres", (4.0, 4.0, 4.0), (16, 16, 16), (4, 8, 8), 3)
    for policy in (PlanPolicy(), PlanPolicy(rule="median"), PlanPolicy(rule="own", task="coarse")):
        only = configuration(shared_plan(three, policy, fixed, tmp_path / f"{policy.rule}"))
        assert (only["spacing"], only["patch_size"], only["batch_size"]) == ([4.0] * 3, [16] * 3, 3)
        assert only["architecture"]["arch_kwargs"]["features_per_stage"] == [4, 8, 8]


@pytest.fixture
def liver(tiny_run, tmp_path, monkeypatch):
    """The training cases of a prepared task as a raw dataset of nnU-Net's, and as planning takes them."""
    task = Prepared(tiny_run.store.job(tiny_run.plan.jobs[0].id)).tasks["mini-liver"]
    raw = tmp_path / "raw" / "Dataset042_Liver"
    for kind, ending in (("imagesTr", "_0000.nii"), ("labelsTr", ".nii")):
        (raw / kind).mkdir(parents=True)
        for name in task.train:
            shutil.copy(task.raw / kind / f"{name}{ending}", raw / kind)
    description = {**task.dataset_json, "numTraining": len(task.train)}
    (raw / "dataset.json").write_text(json.dumps(description))
    for name in ("raw", "preprocessed", "results"):
        monkeypatch.setenv(f"nnUNet_{name}", str(tmp_path / name))
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    images = [raw / "imagesTr" / f"{name}_0000.nii" for name in task.train]
    labels = [raw / "labelsTr" / f"{name}.nii" for name in task.train]
    scheme = LabelScheme({"any": (1, 2)}, {"liver": 1, "tumour": 2})
    cases = tuple(
        fingerprint_case(
            read_case([str(image)], str(label), description, scheme), 500
        )
        for image, label in zip(images, labels, strict=True)
    )
    return Dataset(description, images[0], cases)


def test_the_targets_plan_is_byte_for_byte_what_nnunets_own_commands_plan_for_it(liver, three, tmp_path):
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
    from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner

    extractor = DatasetFingerprintExtractor("Dataset042_Liver", num_processes=1)
    extractor.num_foreground_voxels_for_intensitystats = 500 * len(liver.cases)
    extractor.run()
    ExperimentPlanner("Dataset042_Liver", plans_name="clbenchPlans").plan_experiment()
    theirs = json.loads((tmp_path / "preprocessed/Dataset042_Liver/clbenchPlans.json").read_text())
    ours = shared_plan(three | {"liver": liver}, PlanPolicy(rule="own", task="liver"), FREE, tmp_path / "ours")
    assert json.dumps(configuration(ours)) == json.dumps(theirs["configurations"]["3d_fullres"])
    for key in theirs.keys() - {"configurations", "dataset_name", INTENSITIES}:
        assert ours[key] == theirs[key]
    assert ours[INTENSITIES]["0"] == pytest.approx(theirs[INTENSITIES]["0"])


def test_a_file_gives_what_nnunets_own_command_for_moving_plans_gives(liver, three, tmp_path):
    from nnunetv2.experiment_planning.plans_for_pretraining.move_plans_between_datasets import (
        move_plans_between_datasets,
    )

    document, _ = stock_plans(three["coarse"].cases, tmp_path / "theirs")
    document |= {"plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO"}
    document["configurations"]["3d_lowres"] = {
        "inherits_from": "3d_fullres", "spacing": [6.0, 6.0, 6.0], "data_identifier": "nnUNetPlans_3d_lowres",
    }  # fmt: skip
    for name in ("Dataset007_Source", "Dataset042_Liver"):
        (tmp_path / "preprocessed" / name).mkdir(parents=True)
    (tmp_path / "raw" / "Dataset007_Source").mkdir()
    (tmp_path / "preprocessed/Dataset007_Source/nnUNetPlans.json").write_text(json.dumps(document))
    move_plans_between_datasets(7, 42, "nnUNetPlans", "clbenchPlans")
    theirs = json.loads((tmp_path / "preprocessed/Dataset042_Liver/clbenchPlans.json").read_text())
    lowres = Backbone("3d_lowres", None, None, None, 2)
    ours = shared_plan({"liver": liver}, PlanPolicy(rule="file", document=document), lowres, tmp_path / "ours")
    inherited = {**theirs["configurations"]["3d_fullres"], **theirs["configurations"]["3d_lowres"]}
    del inherited["inherits_from"]
    assert configuration(ours) == inherited
    for key in theirs.keys() - {"configurations", "dataset_name"}:
        assert ours[key] == theirs[key]
    assert document["plans_name"] == "nnUNetPlans"  # the policy's own document is left as it was


def test_a_file_for_images_of_other_channels_is_refused(three, tmp_path):
    document, _ = stock_plans(three["coarse"].cases, tmp_path / "theirs")
    document["configurations"]["3d_fullres"]["normalization_schemes"] = ["ZScoreNormalization"] * 4
    with pytest.raises(ClbenchError, match="plans images of 4 channels; these tasks have 1"):
        shared_plan(three, PlanPolicy(rule="file", document=document), FREE, tmp_path / "ours")


@pytest.mark.parametrize(
    ("backbone", "words"),
    [
        (((24, 24, 24), None, None), "strides is 2 and must be 3 at least.* the loss would be NaN"),
        (((40, 40, 40), None, None), "strides is 1 and must be 3 at least"),
        (((12, 12, 12), (4, 4, 4), (4, 8, 8)), r"patch_size \[4, 4, 4\] leaves one voxel in the coarsest stage"),
    ],
)
def test_a_plan_that_no_network_can_be_trained_by_is_refused_with_what_to_write(liver, tmp_path, backbone, words):
    with pytest.raises(MissingEnvironment, match=f"{words}.*; set backbone.patch and backbone.features"):
        shared_plan({"liver": liver}, PlanPolicy(), Backbone("3d_fullres", *backbone, 2), tmp_path / "plan")
