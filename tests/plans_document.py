"""A plans document of nnU-Net with a small network, as tests name it in ``backbone.plans``."""

from __future__ import annotations

import copy
from typing import Any

NETWORK = {
    "n_stages": 3, "features_per_stage": [4, 8, 8], "kernel_sizes": [[3, 3, 3]] * 3,
    "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]], "n_conv_per_stage": [2, 2, 2], "n_conv_per_stage_decoder": [2, 2],
}  # fmt: skip
RESAMPLED = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
PREPROCESSING: dict[str, Any] = {
    "preprocessor_name": "DefaultPreprocessor", "normalization_schemes": ["ZScoreNormalization"],
    "use_mask_for_norm": [False], "batch_dice": False, "median_image_size_in_voxels": [20.0, 24.0, 24.0],
    **{f"resampling_fn_{what}": "resample_data_or_seg_to_shape" for what in ("data", "seg", "probabilities")},
    **{f"resampling_fn_{what}_kwargs": RESAMPLED for what in ("data", "probabilities")},
    "resampling_fn_seg_kwargs": RESAMPLED | {"is_seg": True, "order": 1},
}  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2],
    "foreground_intensity_properties_per_channel": {"0": {}},
    "configurations": {"2d": {}, "3d_fullres": {
        "patch_size": [16, 16, 16], "batch_size": 2, "spacing": [12, 12, 12], **PREPROCESSING,
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": NETWORK,
        },
    }},
}  # fmt: skip


def with_network(patch: list[int] | None = None, **network: Any) -> dict[str, Any]:
    """The document with another patch, and with other values of its network; None takes a key out."""
    document = copy.deepcopy(DOCUMENT)
    configuration = document["configurations"]["3d_fullres"]
    kwargs = configuration["architecture"]["arch_kwargs"] | network
    configuration["architecture"]["arch_kwargs"] = {key: value for key, value in kwargs.items() if value is not None}
    configuration["patch_size"] = patch or configuration["patch_size"]
    return document
