"""nnU-Net's plain U-Net without a dataset, to be timed."""

from __future__ import annotations

from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

from clbench.plan.network import Network


def build(network: Network) -> nn.Module:
    """The network that nnU-Net makes of such a plan, freshly initialised, one image channel."""
    built: nn.Module = PlainConvUNet(
        1, len(network.features), network.features, nn.Conv3d, network.kernels, network.strides,
        network.convolutions, network.classes, network.decoding, conv_bias=True, norm_op=nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True},
        deep_supervision=True,
    )  # fmt: skip
    return built
