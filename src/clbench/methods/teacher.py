"""What the methods share that keep the previous stage's network as a teacher."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch

from clbench.methods.base import Context, Method, ran_away
from clbench.network.batch import Batch
from clbench.network.heads import MultiHeadNetwork, Output


class Teacher:
    """A frozen copy of a network, and what it answers; the last images' features are kept to be asked for again."""

    def __init__(self, network: MultiHeadNetwork, earlier: Sequence[str]) -> None:
        """Copy the network as it is now; ``earlier`` are the tasks that it has learnt."""
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.earlier = earlier
        self._seen: torch.Tensor | None = None
        self._features: list[torch.Tensor] = []

    @torch.no_grad()
    def features(self, data: torch.Tensor) -> list[torch.Tensor]:
        """Its trunk's features of images, finest scale first; in mixed precision on CUDA, as training is."""
        if data is not self._seen:
            with torch.autocast(data.device.type, enabled=data.device.type == "cuda"):
                self._features = self.network.features(data)
            self._seen = data
        return self._features

    @torch.no_grad()
    def past_logits(self, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Full-resolution logits of every head that predicts the earlier tasks."""
        return self.network.past_logits(features, self.earlier)

    def logits(self, data: torch.Tensor) -> torch.Tensor:
        """Full-resolution logits ``(B, C_old, ...)`` of the one softmax over all earlier tasks' classes, in float32.

        Raises:
            ValueError: the tasks have a softmax each.
        """
        (logits,) = self.past_logits(self.features(data))
        return logits.float()


class DistillingMethod(Method, ABC):
    """A method that adds to the loss how far the network is from its teacher.

    A subclass implements ``distillation``.
    """

    def begin_stage(self, context: Context) -> None:
        """Take the previous stage's network as the teacher, before anything changes it."""
        self.context = context
        self._network: MultiHeadNetwork = context.network
        self._teacher = Teacher(context.network, context.earlier)

    @abstractmethod
    def distillation(self, batch: Batch, output: Output) -> torch.Tensor:
        """What is added to the loss, its strength included."""

    def loss(self, batch: Batch, output: Output, loss: torch.Tensor) -> torch.Tensor:
        """Add the distillation."""
        added = self.distillation(batch, output)
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
