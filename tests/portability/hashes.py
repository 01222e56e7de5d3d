"""Hashes of what torch computes on processors that differ in caches and vendor.

Run by path, since the variables that choose instructions are read when torch is imported. The argument is
``{processor: [workload, ...]}`` as JSON. Prints ``{processor: {workload: hash}}``, or for a processor that this build
of torch can't be told of ``{processor: {"missing": why}}``. Each processor is a forked process of its own, in which
oneDNN and MKL are used for the first time.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import nn

from clbench.network.heads import MultiHeadNetwork
from clbench.network.strided import StridedConv3d
from network_plan import network_parts
from portability.cache_stub import CACHES, MissingSymbol, pretend_caches, pretend_vendor

LAYERS = ((48, 96, 20), (64, 128, 16), (128, 256, 12), (256, 320, 8), (320, 320, 8))
"""Inputs, outputs and size of strided convolutions in nnU-Net's usual widths."""
PROCESSORS: dict[str, Callable[[], None]] = {
    "Intel": partial(pretend_vendor, True),
    "another vendor": partial(pretend_vendor, False),
    **{f"{l1}/{l2} KB": partial(pretend_caches, l1 << 10, l2 << 10) for l1, l2 in CACHES},
    "this one": lambda: None,
}


def digest(tensors: Iterable[torch.Tensor]) -> str:
    """SHA-256 of tensors, whatever their memory format."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.detach().contiguous().numpy().tobytes())
    return found.hexdigest()


def layer(inputs: int, outputs: int, size: int, kind: type[nn.Conv3d]) -> str:
    """Result and gradients of a strided convolution as it lies in a network on a CPU."""
    made = kind(inputs, outputs, 3, 2, 1).to(memory_format=torch.channels_last_3d)
    data = torch.randn(2, inputs, size, size, size).to(memory_format=torch.channels_last_3d).requires_grad_()
    result = made(data)
    result.backward(torch.randn_like(result))
    return digest([result, data.grad, made.weight.grad, made.bias.grad])


def step(size: int, features: tuple[int, ...], plain: bool = False, residual: bool = False) -> str:
    """A training step of a network, and the network's prediction of one patch.

    Args:
        size: voxels per axis.
        features: channels per stage.
        plain: with torch's own convolutions.
        residual: with nnU-Net's residual encoder.
    """
    parts = network_parts([size] * 3, features, residual=residual)
    network = MultiHeadNetwork(parts.network())
    network.add_head("organ", network.first_head, frozen=False)
    network.place(torch.device("cpu"), torch.channels_last_3d)
    for module in network.modules() if plain else ():
        module.__class__ = nn.Conv3d if isinstance(module, StridedConv3d) else module.__class__
    return digest(trained(network, parts.loss(), size))


def trained(network: MultiHeadNetwork, loss: nn.Module, size: int) -> Iterable[torch.Tensor]:
    """Logits, gradients and changed weights of a step, logits of one patch after it."""
    images = torch.randn(2, 1, size, size, size).to(memory_format=torch.channels_last_3d)
    logits = network(images, ["organ"] * 2).logits["organ"]
    value = loss(logits, [torch.randint(2, (2, 1, *scale.shape[2:])).float() for scale in logits])
    assert torch.isfinite(value), "all bits of NaN are the same"
    value.backward()
    parameters = [p for p in network.parameters() if p.requires_grad]
    yield from (*logits, *(p.grad for p in parameters if p.grad is not None))
    torch.nn.utils.clip_grad_norm_(parameters, 12)
    torch.optim.SGD(parameters, 0.01, 0.9, weight_decay=3e-5, nesterov=True).step()
    with torch.no_grad():
        yield from (*parameters, *network(images[:1], ["organ"]).logits["organ"])


WORKLOADS: dict[str, Callable[[], str]] = {
    "embedded": partial(step, 24, (8, 16, 32, 32)),
    "wide": partial(step, 20, (48, 96, 96)),
    "wide, residual": partial(step, 20, (48, 96, 96), residual=True),
    "wide, plain": partial(step, 20, (48, 96, 96), plain=True),
    **{"{}->{} @{}".format(*sizes): partial(layer, *sizes, StridedConv3d) for sizes in LAYERS},
    **{"{}->{} @{}, plain".format(*sizes): partial(layer, *sizes, nn.Conv3d) for sizes in LAYERS},
}


def compute(processor: str, workloads: list[str]) -> dict[str, str]:
    """The hashes of workloads on a processor; once per process."""
    try:
        PROCESSORS[processor]()
    except MissingSymbol as missing:
        return {"missing": str(missing)}
    hashes = {}
    for name in workloads:
        torch.manual_seed(0)
        hashes[name] = WORKLOADS[name]()
    return hashes


def main(asked: dict[str, list[str]]) -> None:
    """Compute in a process per processor, one after another."""
    torch.set_num_threads(1)
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        print(json.dumps({processor: pool.apply(compute, (processor, names)) for processor, names in asked.items()}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
