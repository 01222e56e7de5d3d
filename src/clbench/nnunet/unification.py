"""One plan for all datasets of a benchmark, taken from theirs by one of several policies."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from clbench.definitions.plans_file import untrainable
from clbench.errors import ClbenchError, MissingEnvironment
from clbench.nnunet.planning import (
    PLANS_NAME,
    UNION,
    Backbone,
    CaseFingerprint,
    plan_union,
    pool_fingerprints,
)
from clbench.plan import PlanPolicy
from clbench.readers import chosen_reader

Json = dict[str, Any]


@dataclass(frozen=True)
class Dataset:
    """What planning needs of one task.

    Attributes:
        description: the raw dataset's ``dataset.json``.
        example: one of its images, by which nnU-Net picks its reader.
        cases: its training cases.
    """

    description: Json
    example: Path
    cases: tuple[CaseFingerprint, ...]


def shared_plan(datasets: Mapping[str, Dataset], policy: PlanPolicy, backbone: Backbone, scratch: Path) -> Json:
    """The plan that all tasks are preprocessed and trained by.

    Args:
        datasets: every task's training cases, in the order in which they are pooled.
        policy: whose plan it is.
        backbone: what the definition fixes, whatever the policy.
        scratch: an empty folder for the planner.

    Returns:
        nnU-Net's plans document with one configuration. It holds for every dataset as after nnU-Net's
        ``move_plans``: the statistics of CT normalisation are the plan's, not the dataset's own.

    Raises:
        MissingEnvironment: nnU-Net plans no such configuration for these images, or none that can be trained.
        ClbenchError: the plans file is for images of other channels.
    """
    plans = _chosen(datasets, policy, backbone, scratch)
    if problems := list(untrainable(plans["configurations"][backbone.configuration])):
        raise MissingEnvironment(
            f"nnU-Net's {backbone.configuration} for these images can't be trained: {'; '.join(problems)}; set "
            "backbone.patch and backbone.features, or a finer backbone.spacing"
        )
    return plans


def _chosen(datasets: Mapping[str, Dataset], policy: PlanPolicy, backbone: Backbone, scratch: Path) -> Json:
    if policy.rule == "own":
        return own_plan(datasets[policy.task], backbone, scratch)
    first = next(iter(datasets.values()))
    if policy.rule == "file":
        return moved(policy.document or {}, first, backbone)
    pooled = pool_fingerprints(case for dataset in datasets.values() for case in dataset.cases)
    if policy.rule == "median":
        pooled |= _one_case_each(datasets)
    count = sum(len(dataset.cases) for dataset in datasets.values())
    return plan_union(pooled, {**first.description, "numTraining": count}, first.example, backbone, scratch)


def own_plan(dataset: Dataset, backbone: Backbone, scratch: Path) -> Json:
    """nnU-Net's plan of one dataset alone, with what the definition fixes written over it."""
    description = {**dataset.description, "numTraining": len(dataset.cases)}
    return plan_union(pool_fingerprints(dataset.cases), description, dataset.example, backbone, scratch)


def _one_case_each(datasets: Mapping[str, Dataset]) -> Json:
    """The fingerprint's geometry with every dataset counted as one case, its median one.

    Intensities stay pooled: every dataset has about as many voxels among them, however many its cases.
    """
    medians = [pool_fingerprints(dataset.cases) for dataset in datasets.values()]
    return {
        "spacings": [np.median(each["spacings"], 0).tolist() for each in medians],
        "shapes_after_crop": [np.median(each["shapes_after_crop"], 0).tolist() for each in medians],
        "median_relative_size_after_cropping": float(
            np.median([each["median_relative_size_after_cropping"] for each in medians])
        ),
    }


def moved(document: Json, dataset: Dataset, backbone: Backbone) -> Json:
    """A plans file as nnU-Net's ``move_plans`` gives it to another dataset, under names of clbench's own.

    Args:
        document: the file's content; it has the configuration.
        dataset: whose reader is written into it.
        backbone: the configuration and the patches in a step; it fixes nothing else.

    Raises:
        ClbenchError: it is for images of other channels.
    """
    name, plans = backbone.configuration, copy.deepcopy(document)
    configuration: Json = PlansManager(plans).get_configuration(name).configuration
    channels, there = len(dataset.description["channel_names"]), len(configuration["normalization_schemes"])
    if channels != there:
        raise ClbenchError(f"backbone.plans: the file plans images of {there} channels; these tasks have {channels}")
    configuration.pop("inherits_from", None)
    configuration |= {"batch_size": backbone.batch, "data_identifier": f"{PLANS_NAME}_{name}"}
    return plans | {
        "dataset_name": UNION,
        "plans_name": PLANS_NAME,
        "image_reader_writer": chosen_reader(dataset.description),
        "configurations": {name: configuration},
    }
