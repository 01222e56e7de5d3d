"""Synaptic intelligence (Zenke, Poole & Ganguli, ICML 2017; code ganguli-lab/pathint)."""

from __future__ import annotations

from typing import Literal

import torch

from clbench.methods.watching import PathPenalty


class SI(PathPenalty):
    """SI: a weight matters by how much the loss fell along its own path, per squared distance it went.

    ``omega <- omega - g * step`` with the task's own gradient; at the end of a stage
    ``Omega <- Omega + relu(omega) / (drift^2 + xi)`` (relu, because momentum can make omega negative). The
    strength is Zenke's ``2c`` where ``normalize`` is ``none``.
    """

    neutral = {"strength": 0.0}

    def __init__(
        self,
        *,
        strength: float = 0.1,
        xi: float = 1e-3,
        normalize: Literal["trace", "none"] = "trace",
        update: Literal["proximal", "gradient"] = "proximal",
    ) -> None:
        """Set strength, damping, scale and update."""
        super().__init__(strength, normalize, update)
        self.xi = xi

    def prepare(self) -> None:
        """One running sum per parameter."""
        self._path = {"omega": [torch.zeros_like(p) for p in self._watched]}

    def watch(self, iteration: int, gradients: list[torch.Tensor], steps: list[torch.Tensor]) -> None:
        """Count the fall of the loss, to first order, towards the parameter that moved."""
        torch._foreach_addcmul_(self._path["omega"], gradients, steps, value=-1.0)

    def importance_of_stage(self, drift: list[torch.Tensor]) -> list[torch.Tensor]:
        """``relu(omega) / (drift^2 + xi)``."""
        self._found["loss_fall_on_path"] = sum(float(w.sum()) for w in self._path["omega"])
        return [w.clamp(min=0) / (d**2 + self.xi) for w, d in zip(self._path["omega"], drift, strict=True)]
