"""Learning without Forgetting (Li & Hoiem 2016) with a head per task."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from clbench.methods.base import Numbers
from clbench.methods.teacher import DistillingMethod
from clbench.network.batch import Batch
from clbench.network.heads import Output


def distillation(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """``T^2 * mean over voxels of KL(softmax(teacher/T) || softmax(student/T))``, in float32.

    Args:
        student: logits ``(B, K, ...)``.
        teacher: logits of the same shape.
        temperature: T.
    """
    log_q = F.log_softmax(student.float() / temperature, dim=1)
    log_p = F.log_softmax(teacher.float() / temperature, dim=1)
    divergence = (log_p.exp() * (log_p - log_q)).sum(1)
    return temperature**2 * divergence.mean()


class LwF(DistillingMethod):
    """LwF: on the new task's images, every old head must answer as it did when the stage began.

    Where the tasks share a head it is that one; in a softmax that grows, the softmax of the old classes alone.
    """

    neutral = {"strength": 0.0}

    def __init__(self, *, strength: float = 1.0, temperature: float = 2.0) -> None:
        """Set the weight of the distillation, summed over the old heads, and its temperature."""
        self.strength, self.temperature = strength, temperature

    def distillation(self, batch: Batch, output: Output) -> torch.Tensor:
        """That of the full-resolution output of every old head."""
        taught = self._teacher.past_logits(self._teacher.features(batch.data))
        learnt = self._network.past_logits(output.features, self.context.earlier)
        terms = [distillation(s, t, self.temperature) for s, t in zip(learnt, taught, strict=True)]
        self._heads = len(terms)
        return self.strength * torch.stack(terms).sum()

    def evidence(self) -> Numbers:
        """Distillation loss at the first, middle and last epoch; heads distilled."""
        return {**super().evidence(), "heads_distilled": self._heads}
