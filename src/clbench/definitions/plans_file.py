"""A plans document of nnU-Net, and whether a network can be built and trained by a configuration of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clbench.definitions.json_source import read_json

NEEDED = ("transpose_forward", "transpose_backward", "foreground_intensity_properties_per_channel")
GRID = ("spacing", "patch_size")
KWARGS = "architecture.arch_kwargs"
PER_STAGE = ("kernel_sizes", "features_per_stage", "n_conv_per_stage", "n_blocks_per_stage")
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
    if not isinstance(network, dict):
        yield f"{KWARGS} is missing; nnU-Net writes its network there"
        return
    problems = [*_few_stages(f"{KWARGS}.strides", network.get("strides"))]
    yield from problems or _misfits(network, configuration["patch_size"])


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
    return numbers and all(isinstance(v, int | float) and not isinstance(v, bool) and v > 0 for v in value)
