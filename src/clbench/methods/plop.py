"""PLOP (Douillard et al., CVPR 2021) in three dimensions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from clbench.methods.base import Context, Numbers
from clbench.methods.confidence import labels_and_entropy, median_entropies
from clbench.methods.growing import background, balance_new_classes, with_background_labelled
from clbench.methods.pod import EncoderTap, local_pod
from clbench.methods.teacher import DistillingMethod
from clbench.network.batch import Batch
from clbench.network.heads import Output
from clbench.network.losses import with_merged_background


class PLOP(DistillingMethod):
    """PLOP: features stay as they were, pooled at several scales, and the old model labels what it is sure of.

    A background voxel that the old model takes for an old organ gets that organ's label if its entropy is below
    the median of those so taken; if not it is left out of the loss, which is scaled by the share that is left in.
    """

    scenarios = ("class-incremental",)
    neutral = {"strength": 0.0, "logits": 0.0, "pseudo_labels": False, "balanced": False}

    def __init__(
        self, *, strength: float = 0.01, logits: float = 0.0005, pseudo_labels: bool = True, floor: float = 0.001,
        balanced: bool = True,
    ) -> None:  # fmt: skip
        """Set the weights of the features' and the logits' distances, the least median, and what is switched on."""
        self.strength, self.logits, self.floor = strength, logits, floor
        self.pseudo_labels, self.balanced = pseudo_labels, balanced
        self._shift, self._share = 0.0, 1.0
        self._counts = {"background": 0, "labelled": 0, "left_out": 0}
        self._thresholds: list[float] = []

    def begin_stage(self, context: Context) -> None:
        """Keep the teacher, find how sure it is of each class, and begin the new classes as shares of background."""
        super().begin_stage(context)
        network = context.network
        new = len(network.channels(context.task))
        total = network.channels(context.task).stop
        self._old = total - new
        self._growth = math.sqrt(total / new)
        self._taps = (EncoderTap(network.trunk), EncoderTap(self._teacher.network.trunk))
        if self.pseudo_labels:
            medians = median_entropies(self._background_entropies(), self._old)
            self._thresholds = medians[1:].clamp_min(self.floor).tolist()
        if self.balanced:
            self._shift = balance_new_classes(network, context.task)

    def _background_entropies(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Labels and entropies of the background of one patch of each new case."""
        task = self.context.task
        for case in self.context.cases[task]:
            batch = self.context.patches([(task, case)])
            labels, entropy = labels_and_entropy(self._teacher.logits(batch.data))
            unlabelled = background(batch)
            yield labels[unlabelled], entropy[unlabelled]

    def relabel(self, batch: Batch) -> Batch:
        """Label what the old model is sure to be an old organ, and leave out of the loss where it is not sure."""
        if not self.pseudo_labels:
            return batch
        label, entropy = labels_and_entropy(self._teacher.logits(batch.data))
        sure = entropy < entropy.new_tensor([math.inf, *self._thresholds])[label]
        self._count(background(batch), sure, label)
        ignored = self._network.ignored
        assert ignored is not None
        return with_background_labelled(batch, torch.where(sure, label, ignored))

    def _count(self, unlabelled: torch.Tensor, sure: torch.Tensor, label: torch.Tensor) -> None:
        seen, kept = int(unlabelled.sum()), int((unlabelled & sure).sum())
        self._share = kept / seen if seen else 1.0
        found = (seen, int((unlabelled & sure & (label > 0)).sum()), seen - kept)
        self._counts = {name: n + more for (name, n), more in zip(self._counts.items(), found, strict=True)}

    def loss(self, batch: Batch, output: Output, loss: torch.Tensor) -> torch.Tensor:
        """The task's loss by the share of background that is left in, and the distances."""
        return super().loss(batch, output, loss * self._share)

    def distillation(self, batch: Batch, output: Output) -> torch.Tensor:
        """Local POD of a feature per stage of encoder and decoder and of the logits, averaged; more if few are new.

        New classes count to the student's background, so that it is 0 while student and teacher agree.
        """
        decoded = self._teacher.features(batch.data)
        (taught,) = self._teacher.past_logits(decoded)
        ((logits, *_),) = output.logits.values()
        learnt, known = self._taps
        pairs = _paired((*learnt.features, *output.features), (*known.features, *decoded))
        terms = [self.strength * local_pod(s, t) for s, t in pairs]
        terms.append(self.logits * local_pod(with_merged_background(logits.float(), range(1, self._old)), taught))
        return self._growth * torch.stack(terms).mean()

    def state(self) -> dict[str, Any]:
        """The counts."""
        return {**super().state(), "counts": dict(self._counts)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on counting."""
        super().load_state(state)
        self._counts = dict(state["counts"])

    def effect(self) -> float:
        """Largest of the distances by the task's loss, the background's relabelled share and the new head's shift."""
        changed = self._counts["labelled"] + self._counts["left_out"]
        return max(super().effect(), changed / max(1, self._counts["background"]), self._shift)

    def evidence(self) -> Numbers:
        """Distances at the first, middle and last epoch; thresholds; shares of the background; the logits' shift."""
        seen = max(1, self._counts["background"])
        return {
            **super().evidence(),
            "entropy_thresholds": self._thresholds,
            "labelled_share": self._counts["labelled"] / seen,
            "left_out_share": self._counts["left_out"] / seen,
            "background_logit_shift": self._shift,
        }


def _paired(
    student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor]
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(zip(student, teacher, strict=True))
