"""How sure a model is of its labels: normalised entropy, and its median per predicted class (PLOP, CVPR 2021)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch.nn import functional as F

BINS = 10_000
"""Of the histogram that the medians are read from: a median is known to half a bin."""


def labels_and_entropy(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The most probable class and the entropy over its largest value, log C, both ``(B, ...)``.

    Args:
        logits: ``(B, C, ...)``, C at least 2.
    """
    log_p = F.log_softmax(logits, dim=1)
    entropy = -(log_p.exp() * log_p).sum(1) / math.log(logits.shape[1])
    return log_p.argmax(1), entropy


def median_entropies(seen: Iterable[tuple[torch.Tensor, torch.Tensor]], classes: int) -> torch.Tensor:
    """Median entropy ``(C,)`` of the voxels of each predicted class; 0 for a class that was never predicted.

    Args:
        seen: labels and entropies of voxels, part by part, both flat.
        classes: C.
    """
    counts = torch.zeros(classes * BINS, dtype=torch.long)
    for labels, entropy in seen:
        bins = (entropy * BINS).long().clamp(0, BINS - 1)
        counts += (labels * BINS + bins).bincount(minlength=classes * BINS).cpu()
    running = counts.view(classes, BINS).cumsum(1)
    total = running[:, -1:]
    middle = (running * 2 < total).sum(1)
    return torch.where(total[:, 0] > 0, (middle + 0.5) / BINS, 0.0)
