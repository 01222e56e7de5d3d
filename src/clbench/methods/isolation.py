"""Parameter isolation: a frozen trunk of which every later task has a part, or a change, to itself."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import nn

from clbench.methods.base import Context, Method, Numbers
from clbench.network.heads import MultiHeadNetwork
from clbench.network.own import OwnWeights, Pair

Parameters = dict[str, nn.Parameter]
NORMS = (nn.InstanceNorm3d, nn.GroupNorm, nn.LayerNorm)
CONVOLUTIONS = (nn.Conv3d, nn.ConvTranspose3d)


def parameters_of(network: MultiHeadNetwork, kinds: tuple[type[nn.Module], ...]) -> Parameters:
    """The trunk's parameters that modules of these kinds hold, each storage once under the trunk's name for it."""
    modules = (module for module in network.trunk.modules() if isinstance(module, kinds))
    held = {id(p) for module in modules for p in module.parameters(recurse=False)}
    return {name: p for name, p in network.trunk_parameters().items() if id(p) in held}


def low_rank_start(weight: torch.Tensor, rank: int, rng: np.random.Generator) -> Pair:
    """A change of low rank that begins at 0, as LoRA's does: ``up`` is 0, ``down`` uniform in ``+-1/sqrt(n)``.

    Args:
        weight: of ``m * n`` numbers, m along its first axis: a convolution's outputs, a transposed one's inputs.
        rank: r, columns of ``up``.
        rng: draws ``down``.

    Returns:
        ``down (r, n)`` and ``up (m, r)``.
    """
    m, n = len(weight), weight[0].numel()
    down = torch.from_numpy(rng.uniform(-1, 1, (rank, n)) / math.sqrt(n)).to(weight)
    return down, weight.new_zeros(m, rank)


class Isolation(Method):
    """Isolation: the trunk is frozen after stage 1, and each later task has a part of it to itself.

    ``own: norm`` gives it the norm layers' scales and shifts; ``low-rank`` a change of low rank of every
    convolution (LoRA, Hu et al. 2022); ``decoder`` everything behind the encoder. A task begins exactly at the
    frozen trunk, whatever the tasks before it learnt, and nothing is forgotten.
    """

    scenarios = ("task-incremental",)

    def __init__(self, *, own: Literal["norm", "low-rank", "decoder"] = "norm", rank: int = 4) -> None:
        """Choose what a task has to itself, and the rank of ``low-rank``."""
        self.own, self.rank = own, rank

    def begin_stage(self, context: Context) -> None:
        """Freeze the trunk and give the task its own weights."""
        self._trunk = context.trunk
        self._given = self._start(context.network, context.rng)
        context.network.give(context.task, self._given)
        for parameter in context.trunk.values():
            parameter.requires_grad_(False)

    def _start(self, network: MultiHeadNetwork, rng: np.random.Generator) -> OwnWeights:
        """Weights that leave the network as it is."""
        if self.own == "low-rank":
            weights = {name: p for name, p in parameters_of(network, CONVOLUTIONS).items() if p.ndim > 1}
            return OwnWeights(low_rank={name: low_rank_start(p, self.rank, rng) for name, p in weights.items()})
        if self.own == "norm":
            return OwnWeights(whole=parameters_of(network, NORMS))
        decoder = {name: p for name, p in network.trunk_parameters().items() if name.startswith("decoder.")}
        return OwnWeights(whole=decoder)

    @torch.no_grad()
    def effect(self) -> float:
        """How far the task's own weights moved from where they began, relative to these: the trunk's."""
        moved = start = 0.0
        for name, tensor in self._given.tensors(self._trunk).items():
            moved += float((tensor - self._trunk[name]).square().sum())
            start += float(self._trunk[name].square().sum())
        return math.sqrt(moved / start) if start else 0.0

    def evidence(self) -> Numbers:
        """Tensors frozen, numbers and tensors that the task has to itself, and their share of the trunk."""
        return {
            "tensors_frozen": len(self._trunk),
            "tensors_replaced": len(self._given.names),
            "numbers_owned": self._given.numbers,
            "share_of_trunk": self._given.numbers / sum(p.numel() for p in self._trunk.values()),
        }
