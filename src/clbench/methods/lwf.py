"""Learning without Forgetting (Li & Hoiem 2016) with a head per task."""

from __future__ import annotations

import copy

import torch
from torch.nn import functional as F

from clbench.methods.base import Context, Method, Numbers, ran_away
from clbench.network.batch import Batch
from clbench.network.heads import MultiHeadNetwork, Output


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


class LwF(Method):
    """LwF: on the new task's images, every old head must answer as it did when the stage began.

    Where the tasks share a head it is that one; in a softmax that grows, the softmax of the old classes alone.
    """

    neutral = {"strength": 0.0}

    def __init__(self, *, strength: float = 1.0, temperature: float = 2.0) -> None:
        """Set the weight of the distillation, summed over the old heads, and its temperature."""
        self.strength, self.temperature = strength, temperature

    def begin_stage(self, context: Context) -> None:
        """Keep a frozen copy of the previous stage's network as the teacher."""
        self.context = context
        self._network: MultiHeadNetwork = context.network
        self._teacher = copy.deepcopy(context.network).requires_grad_(False)

    def loss(self, batch: Batch, output: Output, loss: torch.Tensor) -> torch.Tensor:
        """Add the distillation of the full-resolution output of every old head."""
        earlier = self.context.earlier
        with torch.no_grad():
            taught = self._teacher.past_logits(self._teacher.features(batch.data), earlier)
        learnt = self._network.past_logits(output.features, earlier)
        terms = [distillation(s, t, self.temperature) for s, t in zip(learnt, taught, strict=True)]
        self._heads = len(terms)
        added = self.strength * torch.stack(terms).sum()
        self._last = (loss.detach(), added.detach())
        return loss + added

    def after_step(self, iteration: int, lr: float) -> None:
        """Take evidence at the end of the first, middle and last epoch."""
        moment = self.context.moment(iteration)
        if moment is not None:
            task, added = (float(value) for value in self._last)
            self.note(moment, distillation=added, loss_ratio=added / max(abs(task), 1e-12))

    def diverging(self, loss: float) -> bool:
        """Whether the distillation ran away."""
        task, added = (float(value) for value in self._last)
        return ran_away(added, task)

    def advice(self) -> str:
        """The size of the distillation at the last step."""
        return f"distillation {float(self._last[1]):.3g}"

    def effect(self) -> float:
        """Largest ratio of the distillation to the task's loss."""
        return self.largest("loss_ratio")

    def evidence(self) -> Numbers:
        """Distillation loss at the first, middle and last epoch; heads distilled."""
        return {**super().evidence(), "heads_distilled": self._heads}
