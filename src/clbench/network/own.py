"""What a task has to itself in the trunk's place: whole tensors, or changes of low rank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

Pair = tuple[torch.Tensor, torch.Tensor]


class OwnWeights(nn.Module):
    """One task's replacements of some of the trunk's parameters.

    A ``whole`` tensor takes a parameter's place. A ``low_rank`` pair ``down (r, n)`` and ``up (m, r)`` is added
    to a parameter of ``m * n`` numbers as ``up @ down``, laid out as the parameter is.
    """

    def __init__(
        self, whole: Mapping[str, torch.Tensor] | None = None, low_rank: Mapping[str, Pair] | None = None
    ) -> None:
        """Take copies of the tensors, by the trunk's names."""
        super().__init__()
        self._whole, self._low_rank = list(whole or {}), list(low_rank or {})
        self.tensors_of_whole = nn.ParameterList(_copy(t) for t in (whole or {}).values())
        self.down = nn.ParameterList(_copy(pair[0]) for pair in (low_rank or {}).values())
        self.up = nn.ParameterList(_copy(pair[1]) for pair in (low_rank or {}).values())

    def tensors(self, trunk: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """By name, what takes the place of the trunk's parameters.

        In float32 under autocast too: what was trained is what a checkpoint holds.
        """
        whole: dict[str, torch.Tensor] = dict(zip(self._whole, self.tensors_of_whole, strict=True))
        changes = zip(self._low_rank, self.down, self.up, strict=True)
        with torch.autocast(next(iter(trunk.values())).device.type, enabled=False):
            return whole | {name: trunk[name] + (up @ down).view(trunk[name].shape) for name, down, up in changes}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the trunk's parameters that it takes the place of."""
        return (*self._whole, *self._low_rank)

    def content(self) -> dict[str, Any]:
        """Everything in it, as tensors and plain values."""
        cpu = {
            part: [p.detach().cpu().contiguous() for p in getattr(self, part)]
            for part in ("tensors_of_whole", "down", "up")
        }
        return {
            "whole": dict(zip(self._whole, cpu["tensors_of_whole"], strict=True)),
            "low_rank": dict(zip(self._low_rank, zip(cpu["down"], cpu["up"], strict=True), strict=True)),
        }

    @property
    def numbers(self) -> int:
        """How many numbers the task has to itself."""
        return sum(p.numel() for p in self.parameters())


def _copy(tensor: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach().clone())
