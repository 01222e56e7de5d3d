"""Pseudo-labels: the previous model labels what the new task's cases leave unlabelled."""

from __future__ import annotations

from typing import Any

import torch

from clbench.methods.base import Context, Method, Numbers
from clbench.methods.growing import background, with_background_labelled
from clbench.methods.teacher import Teacher
from clbench.network.batch import Batch


class PseudoLabels(Method):
    """Pseudo-labels: the previous stage's model labels the background of every patch with the old classes."""

    scenarios = ("class-incremental",)
    neutral = {"threshold": 1.0}

    def __init__(self, *, threshold: float = 0.0) -> None:
        """Set the probability that a label must exceed; what does not stays background."""
        self.threshold = threshold
        self._labelled, self._background = 0, 0

    def begin_stage(self, context: Context) -> None:
        """Keep a frozen copy of the previous stage's network."""
        self._teacher = Teacher(context.network, context.earlier)

    def relabel(self, batch: Batch) -> Batch:
        """Fill the background with the old model's most probable classes; real labels stay."""
        probability, label = self._teacher.logits(batch.data).softmax(1).max(1)
        label = torch.where(probability > self.threshold, label, 0)
        unlabelled = background(batch)
        self._labelled += int((unlabelled & (label > 0)).sum())
        self._background += int(unlabelled.sum())
        return with_background_labelled(batch, label)

    def state(self) -> dict[str, Any]:
        """The counts."""
        return {**super().state(), "labelled": self._labelled, "background": self._background}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on counting."""
        super().load_state(state)
        self._labelled, self._background = state["labelled"], state["background"]

    def effect(self) -> float:
        """Share of the background that was labelled with an old class."""
        return self._labelled / max(1, self._background)

    def evidence(self) -> Numbers:
        """Voxels labelled, in all and of the background."""
        return {**super().evidence(), "voxels_labelled": self._labelled, "labelled_share": self.effect()}
