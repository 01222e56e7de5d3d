"""nnU-Net's own plan of any set of cases, of several datasets too.

nnU-Net plans one dataset at a time, and networks planned apart do not fit each other. So cases are fingerprinted
by nnU-Net one by one, fingerprints are pooled as ``DatasetFingerprintExtractor.run`` pools a dataset's, and
nnU-Net's ``ExperimentPlanner`` plans what they describe; what the definition fixes is written over it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props
from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero

from clbench.data.view import place
from clbench.errors import MissingEnvironment
from clbench.nnunet.lowres import FULLRES, LOWRES, derive_lowres
from clbench.nnunet.reading import RawArrays
from clbench.readers import chosen_reader

PLANS_NAME = "clbenchPlans"
UNION = "Dataset001_Union"
DERIVED = "derived_by_clbench"
"""Key of a plan whose ``3d_lowres`` is not nnU-Net's own but derived by its rules; nnU-Net ignores it."""

VOXELS_FOR_INTENSITIES = 10**6


@dataclass(frozen=True)
class CaseFingerprint:
    """What nnU-Net wants to know of one case before it plans.

    Attributes:
        shape: voxels after cropping to the non-zero region.
        spacing: mm per voxel, in the reader's axis order.
        intensities: per channel, foreground intensities drawn with replacement.
        relative_size: share of the voxels that cropping left.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    intensities: tuple[np.ndarray, ...]
    relative_size: float


def fingerprint_case(raw: RawArrays, samples: int) -> CaseFingerprint:
    """What nnU-Net's own fingerprint extractor finds in one case.

    The same calls as ``DatasetFingerprintExtractor.analyze_case``, which would read the files once more.

    Args:
        raw: the case; foreground is every label above 0. Cropping writes into the label.
        samples: foreground intensities to draw per channel.
    """
    data, label, _ = crop_to_nonzero(raw.images, raw.label)
    intensities, _ = DatasetFingerprintExtractor.collect_foreground_intensities(label, data, num_samples=samples)
    shape = data.shape[1:]
    relative = float(np.prod(shape) / np.prod(raw.images.shape[1:]))
    return CaseFingerprint(
        tuple(shape), tuple(raw.properties["spacing"]), tuple(np.asarray(i) for i in intensities), relative
    )


def pool_fingerprints(cases: Iterable[CaseFingerprint]) -> dict[str, Any]:
    """Pool cases into the document that nnU-Net calls ``dataset_fingerprint.json``."""
    cases = list(cases)
    channels = len(cases[0].intensities)
    return {
        "spacings": [list(map(float, case.spacing)) for case in cases],
        "shapes_after_crop": [list(map(int, case.shape)) for case in cases],
        "foreground_intensity_properties_per_channel": {
            str(channel): _intensity_properties(np.concatenate([case.intensities[channel] for case in cases]))
            for channel in range(channels)
        },
        "median_relative_size_after_cropping": float(np.median([case.relative_size for case in cases])),
    }


def _intensity_properties(values: np.ndarray) -> dict[str, float]:
    low, median, high = np.percentile(values, (0.5, 50.0, 99.5))
    return {
        "mean": float(np.mean(values)),
        "median": float(median),
        "std": float(np.std(values)),
        "min": float(np.min(values)),
        "max": float(np.max(values)),
        "percentile_99_5": float(high),
        "percentile_00_5": float(low),
    }


@dataclass(frozen=True)
class Backbone:
    """What a definition fixes of the shared plan; None leaves nnU-Net's own choice.

    Attributes:
        configuration: ``3d_fullres`` or ``3d_lowres``.
        spacing: mm, in the images' axis order as nnU-Net's reader gives it.
        patch: voxels per axis.
        features: channels per resolution stage; their number fixes the number of stages.
        batch: patches per iteration.
    """

    configuration: str
    spacing: tuple[float, float, float] | None
    patch: tuple[int, int, int] | None
    features: tuple[int, ...] | None
    batch: int


def plan_union(
    fingerprint: dict[str, Any], dataset_json: dict[str, Any], example: Path, backbone: Backbone, scratch: Path
) -> dict[str, Any]:
    """Let nnU-Net plan what a fingerprint describes, then write over it what the definition fixes.

    Args:
        fingerprint: ``pool_fingerprints`` of every training case.
        dataset_json: channels, labels, file ending and reader that the tasks share.
        example: one image, by which nnU-Net picks its reader.
        backbone: what the definition fixes.
        scratch: an empty folder for the files nnU-Net's planner insists on.

    Returns:
        nnU-Net's plans document with one configuration.

    Raises:
        MissingEnvironment: nnU-Net plans no such configuration for these images, or too small a patch.
    """
    _lay_out_union(fingerprint, dataset_json, example, scratch)
    with _nnunet_environment(scratch), contextlib.redirect_stdout(io.StringIO()):
        spacing = None if backbone.spacing is None else [float(s) for s in backbone.spacing]
        planner = ExperimentPlanner(UNION, plans_name=PLANS_NAME, overwrite_target_spacing=spacing)
        planner.plan_experiment()
        plans: dict[str, Any] = json.loads((scratch / "preprocessed" / UNION / f"{PLANS_NAME}.json").read_text())
        planned = plans["configurations"]
        if backbone.configuration == LOWRES and LOWRES not in planned and FULLRES in planned:
            planned[LOWRES], plans[DERIVED] = derive_lowres(planner, planned[FULLRES]), True
    plans["configurations"] = {backbone.configuration: _fixed(planned, backbone)}
    return plans


def _lay_out_union(fingerprint: dict[str, Any], dataset_json: dict[str, Any], example: Path, scratch: Path) -> None:
    raw, preprocessed = scratch / "raw" / UNION, scratch / "preprocessed" / UNION
    for folder in (raw / "imagesTr", preprocessed, scratch / "results"):
        folder.mkdir(parents=True)
    ending = dataset_json["file_ending"]
    place(example.resolve(), raw / "imagesTr" / f"example_0000{ending}")
    reader = {"overwrite_image_reader_writer": chosen_reader(dataset_json)}  # the planner would try the example
    (raw / "dataset.json").write_text(json.dumps(dataset_json | reader))
    (preprocessed / "dataset_fingerprint.json").write_text(json.dumps(fingerprint))


@contextlib.contextmanager
def _nnunet_environment(scratch: Path) -> Iterator[None]:
    """Point nnU-Net's three folders at ours and allow its planner the one thread that it wants; then give
    back what the user had."""
    ours = {
        "nnUNet_raw": str(scratch / "raw"),
        "nnUNet_preprocessed": str(scratch / "preprocessed"),
        "nnUNet_results": str(scratch / "results"),
        "nnUNet_n_proc_DA": "1",
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _fixed(configurations: dict[str, Any], backbone: Backbone) -> dict[str, Any]:
    if backbone.configuration not in configurations:
        raise MissingEnvironment(
            f"nnU-Net plans no {backbone.configuration} for these images (it plans "
            f"{', '.join(sorted(configurations))}); choose one of those as backbone.configuration"
        )
    configuration: dict[str, Any] = configurations[backbone.configuration]
    configuration["batch_size"] = backbone.batch
    if backbone.patch is not None or backbone.features is not None:
        _set_topology(configuration, backbone)
    return configuration


def _set_topology(configuration: dict[str, Any], backbone: Backbone) -> None:
    """Derive strides and kernels for the patch as nnU-Net does, with as many stages as there are features.

    A patch that is nnU-Net's own is padded, as nnU-Net does it, to what the strides divide.
    """
    arch = configuration["architecture"]["arch_kwargs"]
    features = backbone.features or tuple(arch["features_per_stage"])
    patch, most = backbone.patch or tuple(configuration["patch_size"]), len(features)
    smallest = max(1, min(patch) // 2 ** (most - 1))
    _, strides, kernels, padded, _ = get_pool_and_conv_props(configuration["spacing"], patch, smallest, most - 1)
    strides, kernels = strides[:most], kernels[:most]  # nnU-Net counts the halvings of each axis by itself
    configuration["patch_size"] = list(backbone.patch or map(int, padded))
    stages = len(strides)
    if backbone.features and stages < most:
        raise MissingEnvironment(
            f"a patch of {' × '.join(map(str, patch))} can be halved {stages - 1} times and not {most - 1} times, as "
            f"{most} stages in backbone.features ask; leave some out, or write a larger backbone.patch"
        )
    decoder = arch["n_conv_per_stage_decoder"][:1] or arch["n_conv_per_stage"][:1]  # one stage has no decoder
    arch.update(
        n_stages=stages,
        features_per_stage=list(features[:stages]),
        strides=[list(map(int, s)) for s in strides],
        kernel_sizes=[list(map(int, k)) for k in kernels],
        n_conv_per_stage=arch["n_conv_per_stage"][:1] * stages,
        n_conv_per_stage_decoder=decoder * (stages - 1),
    )
