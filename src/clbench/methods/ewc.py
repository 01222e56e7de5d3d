"""Elastic weight consolidation (Kirkpatrick 2017), online (Schwarz 2018; Huszar) or with an anchor per task."""

from __future__ import annotations

from typing import Any, Literal

import torch

from clbench.methods.base import Context, Numbers
from clbench.methods.fisher import Importance, Kind, estimate_fisher, trace_normalized
from clbench.methods.quadratic import QuadraticPenalty


def capped(importance: Importance, strength: float, lr: float, momentum: float) -> Importance:
    """Importance limited to what SGD with Nesterov momentum can follow as a plain gradient.

    On a quadratic it is stable while ``lr * strength * importance < 2 (1 + momentum) / (1 + 2 momentum)``;
    the cap is half of that.
    """
    if strength == 0:
        return importance
    most = (1 + momentum) / (1 + 2 * momentum) / (lr * strength)
    return {name: f.clamp(max=most) for name, f in importance.items()}


def weighted_mean(a: torch.Tensor, b: torch.Tensor, f: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """``(f a + g b) / (f + g)``, exact at the end points; ``b`` where both weights are 0."""
    return torch.lerp(a, b, torch.where(f + g > 0, g / (f + g), torch.ones_like(f)))


class EWC(QuadraticPenalty):
    """EWC: strength/2 * sum F (theta - theta*)^2, two buffers whatever the number of tasks.

    ``anchor: last`` is online EWC: ``F <- gamma F + F_t`` (gamma 1 accumulates exactly), anchored at the
    previous stage's trunk. ``anchor: each`` is the sum of one penalty per task, each with its own Fisher and
    anchor; it collapses exactly into ``S = sum F_k`` and ``M = sum F_k theta_k / S``. The Fisher is the
    previous task's, per voxel, by one of ``fisher.py``'s estimators; with ``normalize: trace`` each task's is
    scaled to mean 1 before it is added.
    """

    neutral = {"strength": 0.0}

    def __init__(
        self,
        *,
        strength: float = 0.1,
        gamma: float = 1.0,
        samples: int = 4,
        fisher: Literal["sample", "exact", "empirical", "batched"] = "sample",
        anchor: Literal["last", "each"] = "last",
        normalize: Literal["trace", "none"] = "trace",
        update: Literal["proximal", "gradient"] = "proximal",
        cap: bool = False,
    ) -> None:
        """Set lambda (with the factor 1/2), decay, label draws per patch, estimator, anchor, scale and update.

        ``cap`` limits the importance to half the stability bound of ``update: gradient``.
        """
        super().__init__(strength, update)
        self.gamma, self.samples, self.normalize = gamma, samples, normalize
        self.fisher: Kind = fisher
        self.anchor, self.cap = anchor, cap

    def begin_stage(self, context: Context) -> None:
        """Add the previous task's Fisher to the running one and lay the anchor."""
        estimate = estimate_fisher(context, self.samples, self.fisher)
        raw = sum(float(f.sum()) for f in estimate.diagonal.values())
        self._scale: Numbers = {
            "fisher_trace": raw, "fisher_voxels": estimate.voxels, "fisher_patches": estimate.patches
        }  # fmt: skip
        new = trace_normalized(estimate.diagonal) if self.normalize == "trace" else estimate.diagonal
        anchor = self._accumulate(context, new)
        self.protect(context, self._capped(context) if self.cap else self._sum, anchor)

    def _capped(self, context: Context) -> Importance:
        limited = capped(self._sum, self.strength, context.lr, context.momentum)
        cut = sum(int((limited[name] < f).sum()) for name, f in self._sum.items())
        self._scale["importance_capped_share"] = cut / sum(f.numel() for f in self._sum.values())
        return limited

    def _accumulate(self, context: Context, new: Importance) -> Importance | None:
        """Add to the running sum of Fishers; the mean of the trunks they were taken at, None for the last one."""
        if context.memory is None:
            self._sum = new
            return None
        old = {name: self.gamma * f for name, f in context.recalled("fisher").items()}
        self._sum = {name: old[name] + f for name, f in new.items()}
        if self.anchor == "last":
            return None
        before = context.recalled("anchor")
        now = {name: p.detach() for name, p in context.trunk.items()}
        return {name: weighted_mean(before[name], now[name], old[name], f) for name, f in new.items()}

    def end_stage(self) -> dict[str, Any]:
        """The running Fisher, and the anchor if it is not simply the last trunk."""
        kept = {"fisher": {name: f.cpu() for name, f in self._sum.items()}}
        if self.anchor == "each":
            kept["anchor"] = dict(zip(self._names, (m.cpu() for m in self._anchor), strict=True))
        return kept

    def buffers(self, earlier: int) -> float:
        """The running Fisher, and the anchor of ``each``."""
        return 2.0 if self.anchor == "each" else 1.0

    def evidence(self) -> Numbers:
        """The penalty's evidence, and the scale of the Fisher as it was before normalisation."""
        return super().evidence() | self._scale
