"""Elastic weight consolidation, online (Kirkpatrick 2017; Schwarz 2018; Huszar's single anchor)."""

from __future__ import annotations

from typing import Any, Literal

from clbench.methods.base import Context, Numbers
from clbench.methods.fisher import Importance, estimate_fisher, trace_normalized
from clbench.methods.quadratic import QuadraticPenalty


class EWC(QuadraticPenalty):
    """Online EWC: strength/2 * sum F (theta - theta*)^2 with one running Fisher and one anchor.

    ``F <- gamma F + F_t`` (gamma 1 accumulates exactly) and the anchor is the previous stage's trunk: two
    buffers whatever the number of tasks. The Fisher is the sampled-label one of ``fisher.py``, per voxel;
    with ``normalize: trace`` each task's is scaled to mean 1 before it is added.
    """

    def __init__(
        self,
        *,
        strength: float = 0.1,
        gamma: float = 1.0,
        samples: int = 4,
        normalize: Literal["trace", "none"] = "trace",
        update: Literal["proximal", "gradient"] = "proximal",
    ) -> None:
        """Set strength (lambda, with the factor 1/2), decay, label draws per patch, scale and update."""
        super().__init__(strength, update)
        self.gamma, self.samples, self.normalize = gamma, samples, normalize

    def begin_stage(self, context: Context) -> None:
        """Add the previous task's Fisher to the running one and anchor the trunk."""
        estimate = estimate_fisher(context, self.samples)
        fisher = trace_normalized(estimate.diagonal) if self.normalize == "trace" else estimate.diagonal
        before: Importance = context.memory["fisher"] if context.memory else {}
        self._fisher = {
            name: f + self.gamma * before[name].to(f.device) if before else f for name, f in fisher.items()
        }
        raw = sum(float(f.sum()) for f in estimate.diagonal.values())
        self._scale = {"fisher_trace": raw, "fisher_voxels": estimate.voxels, "fisher_patches": estimate.patches}
        self.protect(context, self._fisher)

    def end_stage(self) -> dict[str, Any]:
        """The running Fisher."""
        return {"fisher": {name: f.cpu() for name, f in self._fisher.items()}}

    def evidence(self) -> Numbers:
        """The penalty's evidence, and the scale of the Fisher as it was before normalisation."""
        return super().evidence() | self._scale
