"""A checkpoint of another architecture is refused by its first layer that does not fit."""

from __future__ import annotations

import re

import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

from clbench.errors import ClbenchError
from clbench.network.heads import MultiHeadNetwork
from clbench.nnunet.fitting import check_fit


def network(channels=1, features=(4, 8, 8), kernel=3, stride=2, classes=2, convolutions=1, dimensions=3):
    conv = {2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
    stages = len(features)
    kernels = [[kernel] + [3] * (dimensions - 1)] * stages
    strides = [[1] * dimensions] + [[stride] + [2] * (dimensions - 1)] * (stages - 1)
    return PlainConvUNet(
        channels, stages, features, conv, kernels, strides, convolutions, classes, 1, conv_bias=True,
        norm_op=nn.InstanceNorm3d, norm_op_kwargs={"affine": True}, nonlin=nn.LeakyReLU, deep_supervision=True,
    )  # fmt: skip


FIRST, SECOND = (f"encoder.stages.{stage}.0.convs.0.conv.weight" for stage in (0, 1))
UP = "decoder.transpconvs.0.weight"
OURS = "4 × 1 × 3 × 3 × 3"
CASES = {
    "channels": ({"channels": 2}, FIRST, "4 × 2 × 3 × 3 × 3", OURS, "images of 2 channels and this task has 1"),
    "kernels": ({"kernel": 1}, FIRST, "4 × 1 × 1 × 3 × 3", OURS, "the kernels differ.*another plan"),
    "features": ({"features": (4, 6, 8)}, SECOND, "6 × 4 × 3 × 3 × 3", "8 × 4 × 3 × 3 × 3", "features per stage"),
    "first features": ({"features": (6, 8, 8)}, FIRST, "6 × 1 × 3 × 3 × 3", OURS, "features per stage"),
    "strides": ({"stride": 1}, UP, "8 × 8 × 1 × 2 × 2", "8 × 8 × 2 × 2 × 2", "the strides differ"),
    "dimensions": ({"dimensions": 2}, FIRST, "4 × 1 × 3 × 3", OURS, "2-D and the other 3-D: another configuration"),
}


@pytest.mark.parametrize(("changed", "layer", "theirs", "ours", "why"), CASES.values(), ids=CASES)
def test_the_first_layer_that_does_not_fit_is_named_with_both_shapes_and_why(changed, layer, theirs, ours, why):
    weights = network(**changed).state_dict()
    message = f"^old.pth does not fit.*: {re.escape(layer)} is {theirs} there and {ours} here; .*{why}"
    with pytest.raises(ClbenchError, match=message):
        check_fit(network(), weights, "old.pth")


def test_fewer_convolutions_are_a_layer_missing_there_and_more_are_one_missing_here():
    one, two = network(convolutions=1), network(convolutions=2)
    layer = re.escape("encoder.stages.0.0.convs.1.conv.weight")
    with pytest.raises(ClbenchError, match=f"{layer} is missing there and 4 × 4 × 3 × 3 × 3 here; .*different plans"):
        check_fit(two, one.state_dict(), "old.pth")
    with pytest.raises(ClbenchError, match=f"{layer} is 4 × 4 × 3 × 3 × 3 there and missing here; .*different plans"):
        check_fit(one, two.state_dict(), "old.pth")


def test_a_checkpoint_of_other_classes_fits_and_so_does_a_network_whose_head_was_taken_out():
    weights = network(classes=5).state_dict()
    check_fit(network(classes=2), weights, "old.pth")
    trunk = MultiHeadNetwork(network(classes=2)).trunk
    check_fit(trunk, weights, "old.pth")


def test_what_fits_here_fits_in_nnunets_own_loading_and_what_does_not_is_refused_there_too(tmp_path):
    from nnunetv2.run.load_pretrained_weights import load_pretrained_weights

    path = tmp_path / "old.pth"
    for change, *_ in [({"classes": 5},), *CASES.values()]:
        torch.save({"network_weights": network(**change).state_dict()}, path)
        if "classes" in change:
            load_pretrained_weights(network(), str(path))
        else:
            with pytest.raises(AssertionError):
                load_pretrained_weights(network(), str(path))
