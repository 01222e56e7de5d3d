"""An exponential moving average of the weights inside a stage."""

from __future__ import annotations

from typing import Any

import torch

from clbench.methods.base import Context, Method, Numbers


class EMA(Method):
    """EMA: the stage ends with the running average of its trunks, begun at the previous stage's."""

    neutral = {"decay": 0.0}

    def __init__(self, *, decay: float = 0.98) -> None:
        """Set the decay per step; 0 is fine-tuning."""
        self.decay = decay

    def begin_stage(self, context: Context) -> None:
        """Begin the average at the trunk as it is."""
        self._parameters = list(context.trunk.values())
        self._average = [p.detach().clone() for p in self._parameters]
        self._moved = 0.0

    @torch.no_grad()
    def after_step(self, iteration: int, lr: float) -> None:
        """Move the average."""
        torch._foreach_lerp_(self._average, self._parameters, 1 - self.decay)

    @torch.no_grad()
    def end_stage(self) -> dict[str, Any]:
        """Put the average in the trunk's place."""
        before = [p.detach().clone() for p in self._parameters]
        torch._foreach_copy_(self._parameters, self._average)
        self._moved = relative_distance(self._parameters, before)
        return {}

    def state(self) -> dict[str, Any]:
        """The average so far."""
        return {**super().state(), "average": self._average}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up the average."""
        super().load_state(state)
        torch._foreach_copy_(self._average, state["average"])

    def effect(self) -> float:
        """How far the end of the stage moved, relative to the trunk's norm."""
        return self._moved

    def evidence(self) -> Numbers:
        """The same."""
        return {**super().evidence(), "relative_move": self._moved}


def relative_distance(now: list[Any], before: list[torch.Tensor]) -> float:
    """Norm of the difference over the norm of ``before``."""
    difference = torch.stack(torch._foreach_norm(torch._foreach_sub(now, before))).norm()
    return float(difference / torch.stack(torch._foreach_norm(before)).norm())
