"""A-GEM (Chaudhry et al., ICLR 2019, arXiv 1812.00420; code facebookresearch/agem)."""

from __future__ import annotations

import math
from typing import Any

import torch

from clbench.methods.base import Context, Numbers
from clbench.methods.rehearsal import Rehearsal
from clbench.network.batch import Key
from clbench.network.randomness import own_stream


@torch.no_grad()
def project(gradients: list[torch.Tensor], reference: list[torch.Tensor]) -> float:
    """Take out of g, in place, what would raise the memory's loss: ``g - (g.r / r.r) r`` if ``g.r < 0``.

    Args:
        gradients: g, the tensors of one vector.
        reference: r, the memory's gradient, of the same shapes.

    Returns:
        The cosine of the angle between g, as it was, and r; 0 if one of them is 0, not finite if one of them is not.
    """
    dot, norm = _dot(gradients, reference), _dot(reference, reference)
    length = math.sqrt(_dot(gradients, gradients)) * math.sqrt(norm)
    if dot < 0 and math.isfinite(length):
        torch._foreach_add_(gradients, reference, alpha=-dot / norm)
    return dot / length if length else 0.0


def _dot(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
    return float(torch.stack([product.sum() for product in torch._foreach_mul(a, b)]).sum())


class AGEM(Rehearsal):
    """A-GEM: a step must not raise, to first order, the loss on a batch of remembered cases.

    In every step a batch as large as the training's is drawn from the memory; where its gradient and the new
    task's point apart, the new one's part against it is taken out. A head that no remembered patch goes through
    is left alone.
    """

    neutral = {"cases": 0}

    def __init__(self, *, cases: int = 4) -> None:
        """Set how many cases of each earlier task are kept."""
        super().__init__(cases)
        self._sums = {"steps": 0.0, "violated": 0.0, "cosine": 0.0, "removed": 0.0}

    def begin_stage(self, context: Context) -> None:
        """Draw the memory."""
        super().begin_stage(context)
        self._parameters = [p for p in context.network.parameters() if p.requires_grad]

    def after_backward(self, iteration: int, lr: float) -> None:
        """Project the gradient; where mixed precision overflowed there will be no step, and nothing is counted."""
        keys = self.remembered(self.context.batch)
        if not keys:
            return
        pairs = zip((p.grad for p in self._parameters), self._memory_gradient(keys), strict=True)
        found = [(g, r) for g, r in pairs if g is not None and r is not None]
        cosine = project([g for g, _ in found], [r for _, r in found])
        if math.isfinite(cosine):
            seen = {"steps": 1.0, "violated": float(cosine < 0), "cosine": cosine, "removed": max(0.0, -cosine)}
            self._sums = {name: value + seen[name] for name, value in self._sums.items()}

    def _memory_gradient(self, keys: list[Key]) -> tuple[torch.Tensor | None, ...]:
        """The gradient of the task loss on these cases; bfloat16 on CUDA, whose range needs no scaled loss."""
        with own_stream(self.context.rng):
            batch = self.context.batches(keys)
        with torch.autocast(batch.data.device.type, torch.bfloat16, enabled=batch.data.is_cuda):
            output = self.context.network(batch.data, batch.tasks)
            loss = self.context.task_loss(batch, output)
        return torch.autograd.grad(loss, self._parameters, allow_unused=True)

    def state(self) -> dict[str, Any]:
        """The generator and the sums."""
        return {**super().state(), "sums": dict(self._sums)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on drawing and adding up where ``state`` was taken."""
        super().load_state(state)
        self._sums = dict(state["sums"])

    def effect(self) -> float:
        """Mean over steps of the length taken out of the gradient, relative to the gradient's."""
        return self._mean("removed")

    def evidence(self) -> Numbers:
        """Cases kept, share of steps whose constraint was violated, mean cosine of the two gradients."""
        return {
            **super().evidence(),
            "cases_kept": len(self.kept_cases()),
            "violated_share": self._mean("violated"),
            "mean_cosine": self._mean("cosine"),
        }

    def _mean(self, name: str) -> float:
        return self._sums[name] / max(1.0, self._sums["steps"])
