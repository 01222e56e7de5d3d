"""A trunk that all tasks share, and the segmentation layers, heads, that turn its features into classes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import nn
from torch.func import functional_call

from clbench.network.own import OwnWeights

Weights = dict[str, torch.Tensor]
Layout = Literal["own", "shared", "joined"]
"""``own``: a head per task. ``shared``: one for all. ``joined``: one softmax over the classes of all heads."""
HEAD_PREFIX = "decoder.seg_layers."


@dataclass(frozen=True)
class Output:
    """What a forward pass of a batch gave.

    Attributes:
        features: per scale, finest first, the trunk's ``(B, F, x, y, z)`` that the heads read.
        logits: per head that a patch goes through, named after its first task, per scale, ``(b, K, x, y, z)``.
        rows: per head, which of the batch's patches these are; None means all of them.
    """

    features: list[torch.Tensor]
    logits: dict[str, list[torch.Tensor]]
    rows: dict[str, list[int] | None]


class MultiHeadNetwork(nn.Module):
    """An nnU-Net network whose segmentation layers were taken out and kept per task.

    The trunk computes what nnU-Net's network computes up to its ``seg_layers``; a head is a list of such
    layers, coarsest first as nnU-Net stores them. Trunk and one head together are nnU-Net's network again.
    With ``joined`` heads the first has the background's channel and all others their own classes alone, so
    that side by side they are one softmax, which grows with every head that is added.
    """

    def __init__(self, network: nn.Module, layout: Layout = "own") -> None:
        """Take the network's head out; it is ``first_head`` until ``add_head`` gives heads to tasks."""
        super().__init__()
        decoder: Any = network.decoder
        self.first_head = weights_of(decoder.seg_layers)
        decoder.seg_layers = nn.ModuleList(nn.Identity() for _ in decoder.seg_layers)
        self.trunk = network
        self.layout = layout
        self.heads = nn.ModuleDict()
        self.own = nn.ModuleDict()
        self._run: list[nn.Module] = [network]

    def compile_trunk(self) -> None:
        """Run the trunk through ``torch.compile`` from now on."""
        self._run = [cast(nn.Module, torch.compile(self.trunk))]

    def features(self, data: torch.Tensor, task: str | None = None) -> list[torch.Tensor]:
        """The trunk's features of images ``(B, C, X, Y, Z)``, finest scale first.

        nnU-Net's aliases are modules that hang in several places. Each is replaced once: ``tie_weights`` would
        replace it once per alias, and in putting back would leave the task's own tensor in the trunk.

        Args:
            data: the images.
            task: whose own weights take the place of the shared ones, if it has any.
        """
        result: list[torch.Tensor]
        if task is not None and task in self.own:
            own = cast(OwnWeights, self.own[task]).tensors(self.trunk_parameters())
            result = functional_call(self.trunk, own, (data,), tie_weights=False)
        else:
            result = self._run[0](data)
        return result

    def group(self, task: str) -> str:
        """The head that a task's patches go through, by the task it is named after."""
        return task if self.layout == "own" else next(iter(self.heads))

    def logits(
        self, task: str, features: Sequence[torch.Tensor], among: Sequence[str] | None = None
    ) -> list[torch.Tensor]:
        """A task's logits on features, finest scale first; fewer features give fewer scales.

        Args:
            task: whose head.
            features: the trunk's.
            among: of joined heads, the tasks whose classes are in the softmax; None means all.
        """
        names = [self.group(task)] if self.layout != "joined" else list(among or self.heads)
        heads = [list(cast(nn.ModuleList, self.heads[name]))[::-1] for name in names]
        return [
            torch.cat([layer(feature) for layer in layers], 1) if len(layers) > 1 else layers[0](feature)
            for *layers, feature in zip(*heads, features, strict=False)
        ]

    def past_logits(self, features: Sequence[torch.Tensor], earlier: Sequence[str]) -> list[torch.Tensor]:
        """Full-resolution logits of every head that predicted the earlier tasks, as it did before this stage."""
        tasks = earlier if self.layout == "own" else earlier[:1]
        return [self.logits(task, features[:1], earlier)[0] for task in tasks]

    def forward(self, data: torch.Tensor, tasks: Sequence[str]) -> Output:
        """Run a batch, each patch through its own task's head.

        Raises:
            ValueError: patches of several tasks, one of which has weights of its own in the trunk.
        """
        if self.own and len(set(tasks)) > 1 and any(task in self.own for task in tasks):
            raise ValueError(f"a batch of {', '.join(sorted(set(tasks)))} needs several trunks at once")
        features = self.features(data, tasks[0])
        rows = rows_by_task([self.group(task) for task in tasks])
        scales = [patches_of(feature, rows) for feature in features]
        logits = {task: self.logits(task, [scale[task] for scale in scales]) for task in rows}
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

    def give(self, task: str, own: OwnWeights) -> None:
        """Give a task weights of its own in the trunk's place; they are trained unless they are frozen."""
        self.own[task] = own.to(next(self.trunk.parameters()).device)

    def head_weights(self, task: str) -> Weights:
        """A copy of a head's weights, ``<layer>.weight`` and ``<layer>.bias``."""
        return weights_of(self.heads[task])

    def channels(self, task: str) -> range:
        """The places of a task's foreground classes among its logits."""
        widths = {name: _width(head) for name, head in self.heads.items()}
        if self.layout != "joined":
            return range(1, widths[self.group(task)])
        names = list(widths)
        first = sum(widths[name] for name in names[: names.index(task)])
        return range(max(1, first), first + widths[task])

    @property
    def ignored(self) -> int | None:
        """The label that marks voxels to be left out of the loss: of joined heads, one above the last class."""
        return sum(map(_width, self.heads.values())) if self.layout == "joined" else None

    def place(self, device: torch.device, memory_format: torch.memory_format) -> MultiHeadNetwork:
        """Move to a device and lay the convolutions' weights out in a memory format."""
        module: Any = self
        module.to(device, memory_format=memory_format)
        return self

    def trunk_parameters(self) -> dict[str, nn.Parameter]:
        """The trunk's parameters by nnU-Net's names, each storage once."""
        return dict(self.trunk.named_parameters())

    def shared_parameters(self, earlier: Sequence[str]) -> dict[str, nn.Parameter]:
        """The trunk's, and those of heads that earlier tasks are predicted with and that go on training."""
        heads = [] if self.layout == "own" else [name for name in self.heads if name in earlier]
        named = {f"heads.{name}.{k}": p for name in heads for k, p in self.heads[name].named_parameters()}
        return self.trunk_parameters() | named

    def load_trunk(self, weights: Weights) -> None:
        """Take the trunk from nnU-Net's state dict, whatever head is in it.

        Raises:
            RuntimeError: a layer is missing or has another shape; torch names it.
        """
        self.trunk.load_state_dict({k: v for k, v in weights.items() if not k.startswith(HEAD_PREFIX)})

    def nnunet_weights(self, task: str) -> Weights:
        """State dict of nnU-Net's network that predicts this task: its own weights and its head in it."""
        trunk = self.trunk
        if task in self.own:
            trunk = copy.deepcopy(trunk)
            overwrite(trunk, cast(OwnWeights, self.own[task]).tensors(self.trunk_parameters()))
        head = copied(self._softmax(task))
        return copied(trunk.state_dict()) | {HEAD_PREFIX + name: value for name, value in head.items()}

    def shared_of(self, task: str) -> Weights:
        """The shared tensors in whose place ``nnunet_weights`` has the task's own."""
        parameters = self.trunk_parameters()
        names = cast(OwnWeights, self.own[task]).names if task in self.own else ()
        return {name: parameters[name].detach().clone() for name in names}

    def _softmax(self, task: str) -> Weights:
        names = list(self.heads) if self.layout == "joined" else [self.group(task)]
        heads = [self.head_weights(name) for name in names]
        return {key: torch.cat([head[key] for head in heads]) for key in heads[0]}


def _width(head: nn.Module) -> int:
    """How many channels a head has."""
    return int(cast(nn.Conv3d, cast(nn.ModuleList, head)[0]).out_channels)


@torch.no_grad()
def overwrite(module: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Overwrite some of a module's parameters, under all their aliases."""
    parameters = dict(module.named_parameters())
    for name, value in tensors.items():
        parameters[name].copy_(value)


def copied(weights: Weights) -> Weights:
    """Contiguous copies on the CPU; nnU-Net's aliases, which name a tensor twice and thrice, share one."""
    copies: Weights = {}
    by_place: dict[tuple[int, torch.Size], torch.Tensor] = {}
    for name, value in weights.items():
        place = (value.data_ptr(), value.shape)
        if place not in by_place:
            by_place[place] = torch.empty(value.shape, dtype=value.dtype).copy_(value.detach())
        copies[name] = by_place[place]
    return copies


def weights_of(head: nn.Module) -> Weights:
    """A copy of a head's weights."""
    return {name: value.detach().clone() for name, value in head.state_dict().items()}


def rows_by_task(tasks: Sequence[str]) -> dict[str, list[int] | None]:
    """Group a batch's patches by task, in order of first appearance; None when one task has all of them."""
    names = list(dict.fromkeys(tasks))
    if len(names) == 1:
        return {names[0]: None}
    return {name: [row for row, task in enumerate(tasks) if task == name] for name in names}


def patches_of(batch: torch.Tensor, rows: Mapping[str, list[int] | None]) -> dict[str, torch.Tensor]:
    """The patches of each group of ``rows_by_task``, of a tensor ``(B, ...)``.

    A patch by itself is a view. All are split off at once, since the gradient of that is one concatenation, where
    each group's indices would fill a tensor of the whole batch's size, to be added to the others'.
    """
    if len(rows) == 1:
        return dict.fromkeys(rows, batch)
    patches = batch.chunk(len(batch))
    return {task: _joined([patches[row] for row in picked or ()]) for task, picked in rows.items()}


def logits_in_batch_order(output: Output) -> list[torch.Tensor]:
    """Per scale, the logits ``(B, K, x, y, z)`` of all patches of a mixed batch; the heads have K classes each."""
    return [_in_order(scales, list(output.rows.values())) for scales in zip(*output.logits.values(), strict=True)]


def _in_order(groups: Sequence[torch.Tensor], rows: Sequence[list[int] | None]) -> torch.Tensor:
    numbers = [row for picked in rows for row in picked or ()]
    patches = [patch for group in groups for patch in (group.chunk(len(group)) if len(group) > 1 else (group,))]
    return torch.cat([patches[numbers.index(row)] for row in range(len(numbers))])


def _joined(patches: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat(patches) if len(patches) > 1 else patches[0]
