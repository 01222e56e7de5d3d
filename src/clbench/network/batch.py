"""What the stage loop trains on: patches, their targets and the cases they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

Key = tuple[str, str]
"""A case: the name of its task, and its own."""


@dataclass(frozen=True)
class Batch:
    """Patches as the network takes them.

    Attributes:
        data: ``(B, C, X, Y, Z)`` float32.
        target: one ``(B, 1, X/s, Y/s, Z/s)`` tensor per deep-supervision scale, finest first.
        keys: the case each patch comes from.
    """

    data: torch.Tensor
    target: tuple[torch.Tensor, ...]
    keys: tuple[Key, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The task of each patch."""
        return tuple(task for task, _ in self.keys)

    def in_classes(self, shift: Mapping[str, int]) -> Batch:
        """The batch with each patch's foreground labels moved up, by task, to their places in one softmax."""
        moves = torch.tensor([shift[task] for task in self.tasks])
        if not moves.any():
            return self
        by_row = [moves.to(t).view(-1, *[1] * (t.ndim - 1)) for t in self.target]
        moved = (torch.where(t > 0, t + m, t) for t, m in zip(self.target, by_row, strict=True))
        return replace(self, target=tuple(moved))

    def to(self, device: torch.device, memory_format: torch.memory_format) -> Batch:
        """The batch on another device; the images in another memory format."""
        data = self.data.to(device, non_blocking=True, memory_format=memory_format)
        return Batch(data, tuple(t.to(device, non_blocking=True) for t in self.target), self.keys)

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory, from which copies to CUDA are asynchronous."""
        return Batch(self.data.pin_memory(), tuple(t.pin_memory() for t in self.target), self.keys)
