"""DER++ (Buzzega et al., NeurIPS 2020, arXiv 2004.07211) with the previous network in the stored logits' place."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from clbench.methods.base import Context
from clbench.methods.replay import Replay
from clbench.methods.teacher import Teacher
from clbench.network.batch import Batch
from clbench.network.heads import MultiHeadNetwork, Output


class DER(Replay):
    """Replay with distillation: on a replayed patch its own head must also give the logits that it gave before.

    The label loss counts a replayed patch as any other: ``share`` is what DER++'s beta is, ``share / (1 - share)``.
    """

    def __init__(self, *, cases: int = 4, share: float = 0.5, alpha: float = 0.1) -> None:
        """Set the memory, its share of a batch, and the weight of the squared distance of the logits."""
        super().__init__(cases=cases, share=share)
        self.alpha = alpha

    def begin_stage(self, context: Context) -> None:
        """Draw the memory and keep a frozen copy of the previous stage's network as the teacher."""
        super().begin_stage(context)
        self._network: MultiHeadNetwork = context.network
        self._teacher = Teacher(context.network, context.earlier)

    def loss(self, batch: Batch, output: Output, loss: torch.Tensor) -> torch.Tensor:
        """Add the squared distance of the replayed patches' logits from the teacher's."""
        replayed = [row for row, task in enumerate(batch.tasks) if task in self.context.earlier]
        added = self.alpha * self._distance(batch, output, replayed) if replayed else torch.zeros_like(loss)
        self._last = (loss.detach(), added.detach())
        return loss + added

    def _distance(self, batch: Batch, output: Output, rows: list[int]) -> torch.Tensor:
        """Mean over these patches of the mean squared difference, at full resolution."""
        taught = self._teacher.features(batch.data[rows])[0]
        terms = [
            F.mse_loss(
                self._past(self._network, batch.tasks[row], output.features[0][row]),
                self._past(self._teacher.network, batch.tasks[row], teacher),
            )
            for row, teacher in zip(rows, taught, strict=True)
        ]
        return torch.stack(terms).mean()

    def _past(self, network: MultiHeadNetwork, task: str, feature: torch.Tensor) -> torch.Tensor:
        """A task's logits of one patch; of a softmax that has grown, the channels that it had before."""
        return network.logits(task, [feature[None]], self.context.earlier)[0].float()

    def after_step(self, iteration: int, lr: float) -> None:
        """Take evidence at the end of the first, middle and last epoch."""
        moment = self.context.moment(iteration)
        if moment is not None:
            labels, added = (float(value) for value in self._last)
            self.note(moment, distillation=added, loss_ratio=added / max(abs(labels), 1e-12))
