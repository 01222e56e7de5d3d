"""nnU-Net plans of one network, complete enough to build it, its loss and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from clbench.nnunet.parts import NnunetParts

UNET = "dynamic_network_architectures.architectures.unet."
LABELS = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "organ": 1}, "file_ending": ".nii.gz"}
COMMON = {
    "conv_op": "torch.nn.modules.conv.Conv3d", "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d", "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None, "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True},
}  # fmt: skip


def network_parts(
    patch: Sequence[int],
    features: Sequence[int],
    kernels: Sequence[Sequence[int]] | None = None,
    strides: Sequence[Sequence[int]] | None = None,
    residual: bool = False,
    device: str = "cpu",
) -> NnunetParts:
    """nnU-Net's parts for a network with two convolutions, or residual blocks, per stage.

    Args:
        patch: voxels per axis.
        features: channels per stage, the finest first; at least three, or nnU-Net's loss is NaN.
        kernels: per stage and axis; 3 everywhere if None.
        strides: per stage and axis; 1 in the first stage and 2 in all others if None.
        residual: whether it is nnU-Net's residual encoder.
        device: what the parts are for.
    """
    stages = len(features)
    architecture = COMMON | {
        "n_stages": stages, "features_per_stage": list(features),
        "kernel_sizes": [list(kernel) for kernel in kernels or [(3, 3, 3)] * stages],
        "strides": [list(stride) for stride in strides or [(1, 1, 1), *[(2, 2, 2)] * (stages - 1)]],
        "n_blocks_per_stage" if residual else "n_conv_per_stage": [2] * stages,
        "n_conv_per_stage_decoder": [2] * (stages - 1),
    }  # fmt: skip
    configuration: dict[str, Any] = {
        "patch_size": list(patch), "batch_size": 2, "batch_dice": False, "spacing": [1.0, 1.0, 1.0],
        "architecture": {
            "network_class_name": UNET + ("ResidualEncoderUNet" if residual else "PlainConvUNet"),
            "arch_kwargs": architecture, "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }  # fmt: skip
    plans = {"configurations": {"3d_fullres": configuration}, "label_manager": "LabelManager"}
    return NnunetParts(plans, LABELS, torch.device(device))
