"""Preprocessing of one case that is in memory, by nnU-Net's own preprocessor."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from clbench.nnunet.reading import RawArrays, UnusableCase
from clbench.nnunet.resampling import LeanConfiguration

MOST_VOXELS = 2**31
"""Of all channels of a resampled case: 8 GiB in single precision, and several times that on the way."""
ENDINGS = (".b2nd", "_seg.b2nd", ".pkl")
"""Of the three files that nnU-Net keeps of a preprocessed case."""


class _Preprocessor(DefaultPreprocessor):  # type: ignore[misc]
    """nnU-Net's preprocessor of arrays instead of files; crop, normalisation, resampling, locations are its own."""

    def __init__(self, raw: RawArrays) -> None:
        super().__init__(verbose=False)
        self._raw = [raw]

    def run_case(
        self, image_files: list[str], seg_file: str | None, plans_manager: PlansManager,
        configuration_manager: ConfigurationManager, dataset_json: dict[str, Any] | str,
    ) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:  # fmt: skip
        """Hand the arrays over, held by nobody else: nnU-Net copies them, and a large case needs the room."""
        raw = self._raw.pop()
        properties, handed = raw.properties, [raw.label, raw.images]
        del raw
        result: tuple[np.ndarray, np.ndarray, dict[str, Any]] = self.run_case_npy(
            handed.pop(), handed.pop(), properties, plans_manager, configuration_manager, dataset_json
        )
        return result


def require_resamplable(raw: RawArrays, plans: dict[str, Any]) -> None:
    """Refuse a case whose resampled image no memory would hold, before any is asked for.

    Args:
        raw: the case as it was read.
        plans: nnU-Net plans with exactly one configuration.

    Raises:
        UnusableCase: it would have more than ``MOST_VOXELS`` in all its channels.
    """
    (configuration,) = plans["configurations"].values()
    spacing = [float(raw.properties["spacing"][axis]) for axis in plans["transpose_forward"]]
    shape = [raw.images.shape[1:][axis] for axis in plans["transpose_forward"]]
    target = [float(size) for size in configuration["spacing"]]
    wanted = [size * own / new for size, own, new in zip(shape, spacing, target, strict=True)]
    voxels = math.prod(wanted) * len(raw.images)
    if not voxels <= MOST_VOXELS:
        raise UnusableCase(
            f"it would be resampled from {_by(shape)} voxels of {_by(spacing)} mm to {_by(map(round, wanted))} of "
            f"{_by(target)} mm, {voxels:.3g} voxels in all; {MOST_VOXELS:.3g} are the most. See that the voxel size "
            "in its header is right, or write a coarser backbone.spacing"
        )


def _by(sizes: Iterable[float]) -> str:
    return " × ".join(f"{size:g}" if size < 1e6 else f"{size:.3g}" for size in sizes)


def preprocess_case(
    raw: list[RawArrays], plans: dict[str, Any], dataset_json: dict[str, Any], target: Path
) -> list[str]:
    """Crop, normalise and resample one case, and save it in nnU-Net's format.

    Args:
        raw: the case, its label in the network's numbers; it is taken out of the list, so that its memory is free
            as soon as nnU-Net has its own copies.
        plans: nnU-Net plans with exactly one configuration.
        dataset_json: the description with the network's labels.
        target: path of the result without its endings.

    Returns:
        The names of the three files written beside ``target``.
    """
    manager = PlansManager(plans)
    (configuration,) = manager.available_configurations
    target.parent.mkdir(parents=True, exist_ok=True)
    _Preprocessor(raw.pop()).run_case_save(
        str(target), [], "", manager, LeanConfiguration(manager.get_configuration(configuration).configuration),
        dataset_json,
    )
    return [f"{target.name}{ending}" for ending in ENDINGS]
