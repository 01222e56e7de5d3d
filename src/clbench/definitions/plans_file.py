"""A plans document of nnU-Net, and whether a network can be built and trained by a configuration of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clbench.definitions.json_source import read_json
from clbench.definitions.plan_classes import defined, known_classes

NEEDED = ("transpose_forward", "transpose_backward", "foreground_intensity_properties_per_channel")
GRID = ("spacing", "patch_size")
RESAMPLED = tuple(f"resampling_fn_{what}" for what in ("data", "seg", "probabilities"))
PREPARED_BY = (
    "normalization_schemes", "use_mask_for_norm", "median_image_size_in_voxels", "batch_dice", *RESAMPLED,
    *(f"{key}_kwargs" for key in RESAMPLED),
)  # fmt: skip
"""Keys of a configuration that preprocessing, training and preflight read."""
KWARGS = "architecture.arch_kwargs"
PER_STAGE = ("kernel_sizes", "features_per_stage", "n_conv_per_stage", "n_blocks_per_stage")
NORMALISATION, RESAMPLING = "preprocessing/normalization", "preprocessing/resampling"
PREPROCESSOR = "DefaultPreprocessor"
STATISTICS = ("mean", "std", "percentile_00_5", "percentile_99_5")
STAGES = 3
"""Of ``nnUNetTrainer._build_loss``: every stage but the coarsest has an output, and the last output's weight is 0."""


def read_plans(file: Path) -> dict[str, Any]:
    """nnU-Net's plans document in a file.

    Raises:
        ValueError: it can't be read, or is none; the message says why.
    """
    document = read_json(file)
    if not isinstance(document, dict) or not isinstance(document.get("configurations"), dict):
        raise ValueError(f"{file} is no plans file of nnU-Net v2, such as nnUNetPlans.json")
    if lacking := [key for key in NEEDED if key not in document]:
        raise ValueError(f"{file} is no whole plans file of nnU-Net v2: it lacks {', '.join(lacking)}")
    return document


def inherited(configurations: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A configuration with what it inherits from others.

    Raises:
        ValueError: it or one that it inherits from is not there, is no mapping, or inherits from itself.
    """
    found: dict[str, Any] = {}
    chain: list[Any] = [name]
    while chain[-1] is not None:
        *before, last = chain
        configuration = configurations.get(last) if isinstance(last, str) and last not in before else None
        if not isinstance(configuration, dict):
            key = f"configurations.{before[-1]}.inherits_from" if before else "configurations"
            raise ValueError(f"{key}: {last!r} is no other configuration")
        found = configuration | found
        chain.append(configuration.get("inherits_from"))
    return found


def untrainable(configuration: Mapping[str, Any]) -> Iterator[str]:
    """What keeps a network from being built and trained by a configuration: key, value, and what would be right.

    Plans of nnU-Net before 2.4 describe the network by other keys; nnU-Net translates them, and only the grid is
    looked at here.
    """
    for key in GRID:
        if not _triple(configuration.get(key)):
            yield f"{key} is {configuration.get(key)!r} and must be three numbers above 0, one for each axis"
            return
    if "architecture" not in configuration and "UNet_class_name" in configuration:
        yield from _few_stages("pool_op_kernel_sizes", configuration.get("pool_op_kernel_sizes"))
        return
    architecture = configuration.get("architecture")
    network = architecture.get("arch_kwargs") if isinstance(architecture, dict) else None
    if not isinstance(architecture, dict) or not isinstance(network, dict):
        yield f"{KWARGS} is missing; nnU-Net writes its network there"
        return
    name = str(architecture.get("network_class_name"))
    package, _, rest = name.partition(".")
    if not defined(rest.rpartition(".")[2], "class", "", package):
        yield f"architecture.network_class_name is {name!r}, and there is no such class"
    problems = [*_few_stages(f"{KWARGS}.strides", network.get("strides"))]
    yield from problems or _misfits(network, configuration["patch_size"])


def unprepared(plans: Mapping[str, Any], configuration: Mapping[str, Any], channels: int | None) -> Iterator[str]:
    """What keeps cases from being preprocessed by a configuration: key, value, and what would be right.

    Args:
        plans: the whole document.
        configuration: with what it inherits.
        channels: of the tasks' images; None if that is not known.
    """
    yield from _axes(plans)
    if lacking := [key for key in PREPARED_BY if key not in configuration]:
        yield f"lacks {', '.join(lacking)}, which nnU-Net writes and preprocessing reads"
    schemes = configuration.get("normalization_schemes")
    if schemes is None:
        return
    if not isinstance(schemes, list) or not schemes:
        yield f"normalization_schemes is {schemes!r} and must list a class for each channel"
        return
    if channels is not None and len(schemes) != channels:
        yield f"normalization_schemes is for {len(schemes)} channels, and the tasks have {channels}"
    masks = configuration.get("use_mask_for_norm")
    if masks is not None and (not isinstance(masks, list) or len(masks) != len(schemes)):
        yield f"use_mask_for_norm is {masks!r} and must be a list of {len(schemes)}, as normalization_schemes is"
    for number, scheme in enumerate(schemes):
        if not defined(scheme, "class", NORMALISATION):
            known = ", ".join(known_classes(NORMALISATION, "ImageNormalization"))
            yield f"normalization_schemes[{number}] is {scheme!r}, and nnU-Net has no such class; it has {known}"
        elif scheme == "CTNormalization":
            yield from _statistics(plans, number)
    yield from _functions(configuration)


def _axes(plans: Mapping[str, Any]) -> Iterator[str]:
    forward, backward = plans["transpose_forward"], plans["transpose_backward"]
    orders = [isinstance(one, list) and sorted(map(str, one)) == ["0", "1", "2"] for one in (forward, backward)]
    if not all(orders) or [forward[axis] for axis in backward] != [0, 1, 2]:
        yield f"transpose_forward {forward!r} and transpose_backward {backward!r} must undo each other, of 0, 1, 2"


def _statistics(plans: Mapping[str, Any], channel: int) -> Iterator[str]:
    """Intensities that CT normalisation needs and that are missing or no numbers."""
    key = f"foreground_intensity_properties_per_channel.{channel}"
    found = plans["foreground_intensity_properties_per_channel"]
    found = found.get(str(channel)) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        yield f"{key} is missing, and CTNormalization takes its statistics from there"
        return
    for name in STATISTICS:
        if not _finite(found.get(name)):
            yield f"{key}.{name} is {found.get(name)!r} and must be a number, as CTNormalization asks"


def _functions(configuration: Mapping[str, Any]) -> Iterator[str]:
    """Code of somebody's own: a preprocessor that would not be used, and resampling that is not there."""
    preprocessor = configuration.get("preprocessor_name", PREPROCESSOR)
    if preprocessor != PREPROCESSOR:
        yield f"preprocessor_name is {preprocessor!r}, and clbench preprocesses by {PREPROCESSOR} alone"
    for key in RESAMPLED:
        if key in configuration and not defined(configuration[key], "def", RESAMPLING):
            yield f"{key} is {configuration[key]!r}, and nnU-Net has no such function"


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _few_stages(key: str, strides: Any) -> Iterator[str]:
    if not isinstance(strides, list) or not all(map(_triple, strides)):
        yield f"{key} must be a list with three numbers for each resolution stage"
    elif len(strides) < STAGES:
        yield (
            f"the number of resolution stages in {key} is {len(strides)} and must be {STAGES} at least: nnU-Net's "
            "deep supervision leaves the two coarsest out of the loss, so that the loss would be NaN"
        )


def _misfits(network: Mapping[str, Any], patch: list[int]) -> Iterator[str]:
    strides = network["strides"]
    stages = {"n_stages": network.get("n_stages"), **{
        key: len(network[key]) for key in PER_STAGE if isinstance(network.get(key), list)
    }}  # fmt: skip
    for key, count in stages.items():
        if count not in (None, len(strides)):
            yield f"{KWARGS}.{key} is for {count!r} resolution stages, and strides is for {len(strides)}"
    steps = [math.prod(stage[axis] for stage in strides) for axis in range(3)]
    for axis, (size, step) in enumerate(zip(patch, steps, strict=True)):
        if size % step:
            yield f"patch_size[{axis}] is {size} and must be divisible by {step}, as the network's strides ask"
    if all(size == step for size, step in zip(patch, steps, strict=True)):
        yield f"patch_size {patch} leaves one voxel in the coarsest stage, which can't be normalised; double an axis"


def _triple(value: Any) -> bool:
    numbers = isinstance(value, list | tuple) and len(value) == 3
    return numbers and all(_finite(v) and v > 0 for v in value)
