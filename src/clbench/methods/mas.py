"""Memory aware synapses (Aljundi et al., ECCV 2018; code rahafaljundi/MAS-Memory-Aware-Synapses)."""

from __future__ import annotations

from typing import Any, Literal

import torch

from clbench.methods.base import Context, Numbers
from clbench.methods.fisher import Importance, Parameters, task_logits, trace_normalized
from clbench.methods.quadratic import QuadraticPenalty


def sensitivity(logits: torch.Tensor, parameters: Parameters) -> Importance:
    """``|d mean_v ||logits_v||^2 / d theta|`` of one image.

    Args:
        logits: ``(1, K, ...)``; the squared norm over classes is averaged over voxels.
        parameters: what to differentiate by; unused ones get 0.
    """
    norm = logits.float().square().sum(1).mean()
    gradients = torch.autograd.grad(norm, list(parameters.values()), allow_unused=True)
    return {
        name: torch.zeros_like(p) if g is None else g.abs()
        for (name, p), g in zip(parameters.items(), gradients, strict=True)
    }


class MAS(QuadraticPenalty):
    """MAS: a weight matters by how much the previous head's output would change with it; no labels needed.

    Mean over images, one at a time (a batch's gradient would cancel); summed over stages, each scaled to
    mean 1; anchored at the previous stage's trunk. The penalty is strength/2 times the importance.
    """

    neutral = {"strength": 0.0}

    def __init__(self, *, strength: float = 0.1, update: Literal["proximal", "gradient"] = "proximal") -> None:
        """Set strength and update."""
        super().__init__(strength, update)

    def begin_stage(self, context: Context) -> None:
        """Add the previous task's importance and anchor the trunk."""
        total = {name: torch.zeros_like(p) for name, p in context.trunk.items()}
        images = 0
        for logits, _ in task_logits(context, context.previous_task, 1):
            images += 1
            for name, value in sensitivity(logits, context.trunk).items():
                total[name] += value
        self._trace = sum(float(f.sum()) for f in total.values()) / images
        self._sum = trace_normalized(total)
        if context.memory:
            old = context.recalled("importance")
            self._sum = {name: f + old[name] for name, f in self._sum.items()}
        self.protect(context, self._sum)

    def end_stage(self) -> dict[str, Any]:
        """The importance of all earlier tasks."""
        return {"importance": {name: f.cpu() for name, f in self._sum.items()}}

    def buffers(self, earlier: int) -> float:
        """The importance."""
        return 1.0

    def evidence(self) -> Numbers:
        """The penalty's evidence, and the sum of the previous task's mean sensitivity before it was scaled."""
        return {**super().evidence(), "sensitivity_trace": self._trace}
