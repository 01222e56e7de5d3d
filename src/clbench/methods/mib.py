"""Modeling the Background (Cermelli et al., CVPR 2020)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from clbench.methods.base import Context, Numbers
from clbench.methods.growing import balance_new_classes
from clbench.methods.teacher import DistillingMethod
from clbench.network.batch import Batch
from clbench.network.heads import Output
from clbench.network.losses import with_merged_background


def unbiased_distillation(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """``-1/C_old * mean over voxels of sum_c q_c log p_c``, the student's background and new classes merged.

    Args:
        student: logits ``(B, C, ...)``: background, old classes, new classes.
        teacher: logits ``(B, C_old, ...)``: background, old classes.
    """
    old = teacher.shape[1]
    log_p = F.log_softmax(with_merged_background(student.float(), range(1, old)), dim=1)
    q = teacher.float().softmax(1)
    return -(q * log_p).sum(1).mean() / old


def forgiven(logits: torch.Tensor, target: torch.Tensor, new: range) -> torch.Tensor:
    """How much lower the mean cross-entropy is because old classes count as background.

    Args:
        logits: ``(B, C, ...)``.
        target: ``(B, 1, ...)``.
        new: the new classes.
    """
    log_p = F.log_softmax(logits.float(), dim=1)
    merged = log_p[:, : new.start].logsumexp(1)
    return ((merged - log_p[:, 0]) * (target[:, 0] < new.start)).mean()


class MiB(DistillingMethod):
    """MiB: old organs are not labelled, so the background may be any old class, and for the teacher any new one.

    The task's loss merges the old classes into the background: its cross-entropy is MiB's unbiased one, and
    nnU-Net's Dice is taken on the same classes.
    """

    scenarios = ("class-incremental",)
    neutral = {"strength": 0.0, "unbiased": False, "balanced": False}

    def __init__(self, *, strength: float = 10.0, unbiased: bool = True, balanced: bool = True) -> None:
        """Set the weight of the distillation, whether the task's loss is unbiased and the new head balanced."""
        self.strength, self.merges_background, self.balanced = strength, unbiased, balanced
        self._shift = 0.0

    def begin_stage(self, context: Context) -> None:
        """Keep the teacher, then begin the new classes as shares of the background."""
        super().begin_stage(context)
        if self.balanced:
            self._shift = balance_new_classes(context.network, context.task)

    def distillation(self, batch: Batch, output: Output) -> torch.Tensor:
        """The unbiased one, at full resolution."""
        ((logits, *_),) = output.logits.values()
        self._answer = (logits.detach(), batch.target[0])
        return self.strength * unbiased_distillation(logits, self._teacher.logits(batch.data))

    def after_step(self, iteration: int, lr: float) -> None:
        """Take evidence of the task's loss too."""
        super().after_step(iteration, lr)
        moment = self.context.moment(iteration)
        if moment is not None and self.merges_background:
            less = float(forgiven(*self._answer, self._network.channels(self.context.task)))
            self.note(moment, forgiven_ratio=less / max(abs(float(self._last[0])), 1e-12))

    def effect(self) -> float:
        """Largest of the distillation and of what the loss forgives, by the task's loss, and the new head's shift."""
        return max(super().effect(), self.largest("forgiven_ratio"), self._shift)

    def evidence(self) -> Numbers:
        """Distillation and cross-entropy forgiven at the first, middle and last epoch; how far the logits moved."""
        return {**super().evidence(), "background_logit_shift": self._shift}
