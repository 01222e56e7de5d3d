"""The quadratic penalty that L2 and EWC share: strength/2 * sum importance * (theta - anchor)^2."""

from __future__ import annotations

import math
from typing import Literal

import torch

from clbench.methods.base import Context, Method, Numbers

Update = Literal["proximal", "gradient"]


class QuadraticPenalty(Method):
    """Pulls the trunk towards an anchor, each parameter by its own importance.

    ``gradient`` adds ``strength * importance * (theta - anchor)`` to the gradient, before clipping; it is
    stable only while ``lr * strength * importance < 2 (1 + momentum) / (1 + 2 momentum)``. ``proximal``
    moves the parameters after the optimiser's step, ``theta <- (theta + k F anchor) / (1 + k F)`` with
    ``k = lr * strength / (1 - momentum)``: the same fixed point, stable at any strength.
    """

    def __init__(self, strength: float, update: Update) -> None:
        self.strength, self.update = strength, update

    def protect(
        self,
        context: Context,
        importance: dict[str, torch.Tensor],
        anchor: dict[str, torch.Tensor] | None = None,
    ) -> None:
        """Pull towards an anchor with this importance per parameter; called by ``begin_stage``.

        Args:
            context: the stage that begins.
            importance: by parameter name; what is not named is not protected.
            anchor: by the same names; where the trunk is now if None.
        """
        self.context = context
        self._names = list(importance)
        self._importance = [importance[name] for name in self._names]
        self._parameters = [context.trunk[name] for name in self._names]
        anchored = context.trunk if anchor is None else anchor
        self._anchor = [anchored[name].detach().clone() for name in self._names]
        self._pulled_at = math.nan

    def stability(self) -> float:
        """Of ``gradient`` updates, rate times strength times largest importance over the bound that SGD with
        Nesterov momentum has on a quadratic, ``2 (1 + momentum) / (1 + 2 momentum)``: unstable above 1."""
        momentum = self.context.momentum
        bound = 2 * (1 + momentum) / (1 + 2 * momentum)
        most = max((float(f.max()) for f in self._importance), default=0.0)
        return self.context.lr * self.strength * most / bound

    @torch.no_grad()
    def after_backward(self, iteration: int, lr: float) -> None:
        """Take evidence, and add the penalty's gradient if the update says so."""
        moment = self.context.moment(iteration)
        if moment is None and self.update != "gradient":
            return
        distance = torch._foreach_sub(self._parameters, self._anchor)
        pull = torch._foreach_mul(torch._foreach_mul(self._importance, distance), self.strength)
        gradients = [p.grad for p in self._parameters]
        if moment is not None:
            task = _norm([g for g in gradients if g is not None])
            penalty = 0.5 * float(sum((p * d).sum() for p, d in zip(pull, distance, strict=True)))
            self.note(moment, gradient_ratio=_norm(pull) / max(task, 1e-12), penalty=penalty)
        if self.update == "gradient":
            torch._foreach_add_(gradients, pull)

    @torch.no_grad()
    def after_step(self, iteration: int, lr: float) -> None:
        """Move towards the anchor if the update is proximal."""
        if self.update != "proximal":
            return
        if lr != self._pulled_at:
            self._pulled_at, self._way = lr, self._share_of_the_way(lr)
        torch._foreach_lerp_(self._parameters, self._anchor, self._way)

    def _share_of_the_way(self, lr: float) -> list[torch.Tensor]:
        """``k F / (1 + k F)``: how far towards the anchor a step goes; it changes with the rate alone."""
        weight = torch._foreach_mul(self._importance, lr * self.strength / (1 - self.context.momentum))
        return list(torch._foreach_div(weight, torch._foreach_add(weight, 1.0)))

    def advice(self) -> str:
        """The stability bound, and the strength at which it is met."""
        if self.update == "proximal":
            return "the penalty's proximal step is stable at any strength"
        stability = self.stability()
        stable = self.strength / max(stability, 1e-30)
        return (
            "the penalty's gradient is stable while rate * strength * importance stays below a bound, and here it is "
            f"{stability:.3g} times that: strength {stable:.3g} or update: proximal would be stable"
        )

    def effect(self) -> float | None:
        """Largest ratio of the penalty's gradient to the task's, of the moments looked at."""
        return self.largest("gradient_ratio")

    def evidence(self) -> Numbers:
        """Penalty and gradient ratio at the first, middle and last epoch; how much is protected."""
        zero = sum(int((f == 0).sum()) for f in self._importance)
        total = sum(f.numel() for f in self._importance)
        return {
            **super().evidence(),
            "tensors_protected": len(self._names),
            "tensors_expected": len(self.context.trunk),
            "importance_zero_share": zero / max(1, total),
            **({"stability": self.stability()} if self.update == "gradient" else {}),
        }


def _norm(tensors: list[torch.Tensor]) -> float:
    return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors))))
