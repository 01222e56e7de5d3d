"""One plan for all tasks: nnU-Net's own of their union, with what the definition fixes written over it."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch

from clbench.errors import MissingEnvironment
from clbench.job.prepared import Prepared
from clbench.job.stage import trainee_of
from clbench.nnunet.labels import LabelScheme
from clbench.nnunet.parts import NnunetParts
from clbench.nnunet.planning import Backbone, CaseFingerprint, fingerprint_case, plan_union, pool_fingerprints
from clbench.nnunet.reading import read_case

ANY = LabelScheme({"any": (1,)}, {f"label{number}": number for number in range(1, 9)})


@pytest.fixture
def prepared(tiny_run):
    return Prepared(tiny_run.store.job(tiny_run.plan.jobs[0].id))


def fingerprints(prepared):
    for task in prepared.tasks.values():
        for case in task.train:
            image, label = task.raw / "imagesTr" / f"{case}_0000.nii", task.raw / "labelsTr" / f"{case}.nii"
            yield fingerprint_case(read_case([str(image)], str(label), task.dataset_json, ANY), 500)


def plan(prepared, tmp_path, backbone):
    task = prepared.tasks["mini-liver"]
    example = task.raw / "imagesTr" / f"{task.train[0]}_0000.nii"
    return plan_union(pool_fingerprints(fingerprints(prepared)), task.dataset_json, example, backbone, tmp_path)


def test_pooled_fingerprint_equals_nnunets_own_extraction_of_one_dataset(prepared, tmp_path, monkeypatch):
    """The stock extractor, with its pool of one process, on one task's raw folder."""
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor

    task = prepared.tasks["mini-liver"]
    monkeypatch.setenv("nnUNet_raw", str(task.raw.parent))
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path))
    extractor = DatasetFingerprintExtractor(task.raw.name, num_processes=1)
    cases = sorted(extractor.dataset)
    extractor.num_foreground_voxels_for_intensitystats = 500 * len(cases)
    theirs = json.loads(json.dumps(extractor.run()))
    images = [task.raw / "imagesTr" / f"{case}_0000.nii" for case in cases]
    labels = [task.raw / "labelsTr" / f"{case}.nii" for case in cases]
    ours = pool_fingerprints(
        fingerprint_case(read_case([str(i)], str(s), task.dataset_json, ANY), 500)
        for i, s in zip(images, labels, strict=True)
    )
    properties = "foreground_intensity_properties_per_channel"
    assert ours[properties]["0"] == pytest.approx(theirs[properties]["0"])
    for key in ("spacings", "shapes_after_crop", "median_relative_size_after_cropping"):
        np.testing.assert_allclose(ours[key], theirs[key])


def test_what_the_definition_fixes_stands_in_the_plan(prepared):
    (configuration,) = prepared.plans["configurations"].values()
    arch = configuration["architecture"]["arch_kwargs"]
    assert configuration["patch_size"] == [16, 16, 16]
    assert configuration["spacing"] == [12, 12, 12]
    assert configuration["batch_size"] == 2
    assert arch["features_per_stage"] == [4, 8, 8]
    assert arch["strides"] == [[1, 1, 1], [2, 2, 2], [2, 2, 2]]


def test_what_is_left_open_is_nnunets_own_choice_and_its_network_trains(prepared, tmp_path):
    plans = plan(prepared, tmp_path, Backbone("3d_fullres", None, None, None, 2))
    configuration = plans["configurations"]["3d_fullres"]
    assert configuration["architecture"]["arch_kwargs"]["features_per_stage"][0] == 32
    network = NnunetParts(plans, prepared.tasks["mini-liver"].dataset_json).network()
    outputs = network(torch.zeros(1, 1, *configuration["patch_size"]))
    assert outputs[0].shape[2:] == tuple(configuration["patch_size"])


def test_features_alone_keep_nnunets_patch(prepared, tmp_path):
    open_plan = plan(prepared, tmp_path / "a", Backbone("3d_fullres", None, None, None, 2))
    fixed = plan(prepared, tmp_path / "b", Backbone("3d_fullres", None, None, (4, 8, 16), 2))
    assert (
        fixed["configurations"]["3d_fullres"]["patch_size"] == open_plan["configurations"]["3d_fullres"]["patch_size"]
    )
    assert len(fixed["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]["strides"]) == 3


def test_flat_images_for_which_nnunet_plans_2d_alone_are_refused(prepared, tmp_path):
    task = prepared.tasks["mini-liver"]
    example = task.raw / "imagesTr" / f"{task.train[0]}_0000.nii"
    flat = [CaseFingerprint((1, 64, 64), (5.0, 1.0, 1.0), (np.arange(4.0),), 1.0)] * 2
    for name in ("3d_fullres", "3d_lowres"):
        backbone = Backbone(name, None, None, None, 2)
        with pytest.raises(MissingEnvironment, match=f"plans no {name}.*it plans 2d"):
            plan_union(pool_fingerprints(flat), task.dataset_json, example, backbone, tmp_path / name)


def test_the_users_nnunet_folders_are_given_back_after_planning(prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_raw", "/mine")
    monkeypatch.delenv("nnUNet_results", raising=False)
    plan(prepared, tmp_path, Backbone("3d_fullres", None, (16, 16, 16), (4, 8), 2))
    assert os.environ.get("nnUNet_raw") == "/mine"  # noqa: SIM112
    assert "nnUNet_results" not in os.environ


def test_blur_is_never_chosen_by_timing(tiny_run):
    """batchgeneratorsv2 would time two algorithms and keep the faster, whose bits differ."""
    from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform

    transforms, _ = trainee_of(tiny_run.jobs("finetune")[0], tiny_run.store).parts("mini-liver").augmentation(True)
    inner = [getattr(t, "transform", t) for t in transforms.transforms]
    blurs = [t for t in inner if isinstance(t, GaussianBlurTransform)]
    assert [blur.benchmark for blur in blurs] == [False]


def test_without_mirroring_no_transform_mirrors(tiny_run):
    parts = trainee_of(tiny_run.jobs("finetune")[0], tiny_run.store).parts("mini-liver")
    names = [{type(t).__name__ for t in parts.augmentation(mirror)[0].transforms} for mirror in (True, False)]
    assert names[0] - names[1] == {"MirrorTransform"}


@pytest.mark.parametrize(
    "backbone",
    [
        Backbone("3d_fullres", (12, 12, 12), None, (4, 8, 8, 8, 8), 2),
        Backbone("3d_fullres", (60, 5, 5), (8, 16, 8), (4, 8, 8, 8), 2),
    ],
)
def test_as_many_stages_as_the_definition_has_features_fit_the_patch(prepared, tmp_path, backbone):
    plans = plan(prepared, tmp_path, backbone)
    configuration = plans["configurations"]["3d_fullres"]
    assert configuration["architecture"]["arch_kwargs"]["features_per_stage"] == list(backbone.features)
    network = NnunetParts(plans, prepared.tasks["mini-liver"].dataset_json).network()
    outputs = network(torch.zeros(1, 1, *configuration["patch_size"]))
    assert len(outputs) == len(backbone.features) - 1


def test_more_stages_than_nnunets_patch_can_be_halved_are_refused(prepared, tmp_path):
    words = "a patch of 7 × 10 × 10 can be halved 4 times and not 6 times, as 7 stages in backbone.features ask"
    with pytest.raises(MissingEnvironment, match=words):
        plan(prepared, tmp_path, Backbone("3d_fullres", (24, 24, 24), None, (4,) * 7, 2))
