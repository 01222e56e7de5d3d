"""A trunk that all tasks share and one set of segmentation layers, a head, per task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

Weights = dict[str, torch.Tensor]
HEAD_PREFIX = "decoder.seg_layers."


@dataclass(frozen=True)
class Output:
    """What a forward pass of a batch gave.

    Attributes:
        features: per scale, finest first, the trunk's ``(B, F, x, y, z)`` that the heads read.
        logits: per task, per scale, ``(b, K, x, y, z)`` of the patches of that task.
        rows: per task, which of the batch's patches these are; None means all of them.
    """

    features: list[torch.Tensor]
    logits: dict[str, list[torch.Tensor]]
    rows: dict[str, list[int] | None]


class MultiHeadNetwork(nn.Module):
    """An nnU-Net network whose segmentation layers were taken out and kept per task.

    The trunk computes what nnU-Net's network computes up to its ``seg_layers``; a head is a list of such
    layers, coarsest first as nnU-Net stores them. Trunk and one head together are nnU-Net's network again.
    """

    def __init__(self, network: nn.Module, task: str) -> None:
        super().__init__()
        decoder: Any = network.decoder
        head: nn.ModuleList = decoder.seg_layers
        decoder.seg_layers = nn.ModuleList(nn.Identity() for _ in head)
        self.trunk = network
        self.heads = nn.ModuleDict({task: head})
        self._run: list[nn.Module] = [network]

    def compile_trunk(self) -> None:
        """Run the trunk through ``torch.compile`` from now on."""
        self._run = [cast(nn.Module, torch.compile(self.trunk))]

    def features(self, data: torch.Tensor) -> list[torch.Tensor]:
        """The trunk's features of images ``(B, C, X, Y, Z)``, finest scale first."""
        result: list[torch.Tensor] = self._run[0](data)
        return result

    def logits(self, task: str, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """A task's head on features, finest scale first; fewer features give fewer scales."""
        layers = list(cast(nn.ModuleList, self.heads[task]))[::-1]
        return [layer(feature) for layer, feature in zip(layers, features, strict=False)]

    def forward(self, data: torch.Tensor, tasks: Sequence[str]) -> Output:
        """Run a batch, each patch through its own task's head."""
        features = self.features(data)
        rows = rows_by_task(tasks)
        logits = {
            task: self.logits(task, features if picked is None else [f[picked] for f in features])
            for task, picked in rows.items()
        }
        return Output(features, logits, rows)

    def add_head(self, task: str, weights: Weights, frozen: bool) -> None:
        """Give a task a head with these weights; a frozen one gets no gradient."""
        shapes = [(weights[f"{i}.weight"], weights[f"{i}.bias"]) for i in range(len(weights) // 2)]
        layers = []
        for weight, bias in shapes:
            layer = nn.Conv3d(weight.shape[1], weight.shape[0], 1, bias=True)
            layer.load_state_dict({"weight": weight, "bias": bias})
            layers.append(layer)
        head = nn.ModuleList(layers).requires_grad_(not frozen)
        self.heads[task] = head.to(next(self.trunk.parameters()).device)

    def head_weights(self, task: str) -> Weights:
        """A copy of a head's weights, ``<layer>.weight`` and ``<layer>.bias``."""
        return {name: value.detach().clone() for name, value in self.heads[task].state_dict().items()}

    def place(self, device: torch.device, memory_format: torch.memory_format) -> MultiHeadNetwork:
        """Move to a device and lay the convolutions' weights out in a memory format."""
        module: Any = self
        module.to(device, memory_format=memory_format)
        return self

    def trunk_parameters(self) -> dict[str, nn.Parameter]:
        """The trunk's parameters by nnU-Net's names, each storage once."""
        return dict(self.trunk.named_parameters())

    def load_trunk(self, weights: Weights) -> None:
        """Take the trunk from nnU-Net's state dict, whatever head is in it.

        Raises:
            RuntimeError: a layer is missing or has another shape; torch names it.
        """
        self.trunk.load_state_dict({k: v for k, v in weights.items() if not k.startswith(HEAD_PREFIX)})

    def nnunet_weights(self, task: str) -> Weights:
        """State dict of nnU-Net's network with this task's head in it."""
        trunk = {name: value.detach().clone() for name, value in self.trunk.state_dict().items()}
        return trunk | {HEAD_PREFIX + name: value for name, value in self.head_weights(task).items()}


def rows_by_task(tasks: Sequence[str]) -> dict[str, list[int] | None]:
    """Group a batch's patches by task, in order of first appearance; None when one task has all of them."""
    names = list(dict.fromkeys(tasks))
    if len(names) == 1:
        return {names[0]: None}
    return {name: [row for row, task in enumerate(tasks) if task == name] for name in names}


def routed_loss(loss: nn.Module, output: Output, target: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean over patches of the loss of each task's own patches, so that batch Dice never pools two heads.

    Args:
        loss: nnU-Net's loss over all deep-supervision scales.
        output: the batch's output.
        target: per scale ``(B, 1, x, y, z)``.
    """
    if len(output.rows) == 1:
        ((_, logits),) = output.logits.items()
        return torch.as_tensor(loss(logits, list(target)))
    total = sum(len(rows or ()) for rows in output.rows.values())
    terms = [
        loss(output.logits[task], [t[rows] for t in target]) * (len(rows or ()) / total)
        for task, rows in output.rows.items()
    ]
    return torch.stack(terms).sum()
