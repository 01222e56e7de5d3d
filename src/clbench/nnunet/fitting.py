"""Whether a checkpoint's weights fit a network, and if not, which layer is the first that does not and why."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from clbench.errors import ClbenchError

SEGMENTATION = ".seg_layers."
UPSAMPLING = ".transpconvs."


def check_fit(network: nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights that are not of this architecture; segmentation layers may differ, as in nnU-Net.

    Args:
        network: nnU-Net's network, with or without its segmentation layers.
        weights: a checkpoint's ``network_weights``, under nnU-Net's keys.
        where: what the message calls the checkpoint, such as its path.

    Raises:
        ClbenchError: a layer is missing on either side or has another shape. The first one in the network's order
            is named with both shapes and the likely reason.
    """
    ours = {name: value for name, value in network.state_dict().items() if SEGMENTATION not in name}
    first = next((name for name, value in ours.items() if value.ndim > 1), None)
    for name, value in ours.items():
        if name not in weights:
            raise _refusal(where, name, "is missing there", value, _missing(name))
        if weights[name].shape != value.shape:
            reason = _reason(name, tuple(weights[name].shape), tuple(value.shape), name == first)
            raise _refusal(where, name, f"is {_size(weights[name])} there", value, reason)
    for name in weights:
        if name not in ours and SEGMENTATION not in name:
            size = _size(weights[name])
            raise ClbenchError(f"{_head(where)}: {name} is {size} there and missing here; {_missing(name)}")


def _refusal(where: str, name: str, theirs: str, ours: Tensor, reason: str) -> ClbenchError:
    return ClbenchError(f"{_head(where)}: {name} {theirs} and {_size(ours)} here; {reason}")


def _head(where: str) -> str:
    return f"{where} does not fit this network"


def _size(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "a single number"


def _missing(name: str) -> str:
    part = "resolution stages or convolutions in a stage" if ".stages." in name else "building blocks"
    return f"the two networks differ in their {part}, so they come from different plans"


def _reason(name: str, theirs: tuple[int, ...], ours: tuple[int, ...], first: bool) -> str:
    """Why two shapes differ; a convolution's is (output, input, kernel…), an upsampling's (input, output, …)."""
    if len(theirs) != len(ours):
        return f"one network is {len(theirs) - 2}-D and the other {len(ours) - 2}-D: another configuration"
    if theirs[2:] != ours[2:]:
        part = "strides" if UPSAMPLING in name else "kernels"
        return f"the {part} differ, so the checkpoint comes from another plan"
    if first and theirs[0] == ours[0]:
        return f"the checkpoint reads images of {theirs[1]} channels and this task has {ours[1]}"
    return "the features per stage differ, so the checkpoint comes from another plan or backbone.features"
