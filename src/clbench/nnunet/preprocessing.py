"""nnU-Net's preprocessing of one case, in process and without a pool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager


def preprocess_case(
    images: list[str], label: str, plans: dict[str, Any], dataset_json: dict[str, Any], target: Path
) -> list[str]:
    """Crop, normalise and resample one case, and save it in nnU-Net's format.

    Args:
        images: one file per channel.
        label: the label file.
        plans: nnU-Net plans with exactly one configuration.
        dataset_json: the raw dataset's description.
        target: path of the result without its endings.

    Returns:
        The names of the three files written beside ``target``.
    """
    manager = PlansManager(plans)
    (configuration,) = manager.available_configurations
    target.parent.mkdir(parents=True, exist_ok=True)
    DefaultPreprocessor(verbose=False).run_case_save(
        str(target), images, label, manager, manager.get_configuration(configuration), dataset_json
    )
    return [f"{target.name}{ending}" for ending in (".b2nd", "_seg.b2nd", ".pkl")]
