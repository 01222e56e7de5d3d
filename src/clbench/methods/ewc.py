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


class EWC(QuadraticPenalty):
    """EWC: strength/2 * sum F (theta - theta*)^2, two buffers whatever the number of tasks.

    ``anchor: last`` is online EWC: ``F <- gamma F + F_t`` (gamma 1 accumulates exactly), anchored at the
    previous stage's trunk. ``anchor: each`` is the sum of one penalty per task, each with its own Fisher and
    anchor; it collapses exactly into ``S = sum F_k`` and ``M = sum F_k theta_k / S``. The Fisher is the
    previous task's, per voxel, by one of ``fisher.py``'s estimators; with ``normalize: trace`` each task's is
    scaled to mean 1 before it is added.
    """

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

        ``cap`` limits the importance to the stability bound of ``update: gradient``.
        """
        super().__init__(strength, update)
        self.gamma, self.samples, self.normalize = gamma, samples, normalize
        self.fisher: Kind = fisher
        self.anchor, self.cap = anchor, cap

    def begin_stage(self, context: Context) -> None:
        """Add the previous task's Fisher to the running one and lay the anchor."""
        estimate = estimate_fisher(context, self.samples, self.fisher)
        raw = sum(float(f.sum()) for f in estimate.diagonal.values())
        self._scale = {"fisher_trace": raw, "fisher_voxels": estimate.voxels, "fisher_patches": estimate.patches}
        new = trace_normalized(estimate.diagonal) if self.normalize == "trace" else estimate.diagonal
        self._accumulate(context, new)
        limit = capped(self._sum, self.strength, context.lr, context.momentum) if self.cap else self._sum
        self.protect(context, limit, self._mean if self.anchor == "each" else None)

    def _accumulate(self, context: Context, new: Importance) -> None:
        """The running sum of Fishers and the mean of the trunks they were taken at, weighted by them."""
        memory = context.memory
        now = {name: p.detach().clone() for name, p in context.trunk.items()}
        if memory is None:
            self._sum, self._mean = new, now
            return
        old = {name: self.gamma * memory["fisher"][name].to(f.device) for name, f in new.items()}
        self._sum = {name: old[name] + f for name, f in new.items()}
        if self.anchor == "each":
            before = {name: memory["anchor"][name].to(f.device) for name, f in new.items()}
            self._mean = {
                name: torch.where(f > 0, (old[name] * before[name] + new[name] * now[name]) / f, now[name])
                for name, f in self._sum.items()
            }

    def end_stage(self) -> dict[str, Any]:
        """The running Fisher, and the anchor if it is not simply the last trunk."""
        kept = {"fisher": {name: f.cpu() for name, f in self._sum.items()}}
        if self.anchor == "each":
            kept["anchor"] = {name: m.cpu() for name, m in self._mean.items()}
        return kept

    def evidence(self) -> Numbers:
        """The penalty's evidence, and the scale of the Fisher as it was before normalisation."""
        return super().evidence() | self._scale
