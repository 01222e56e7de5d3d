"""nnU-Net's loss for batches whose patches go through several heads, or label only a part of one softmax."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from clbench.network.batch import Batch
from clbench.network.heads import MultiHeadNetwork, Output, logits_in_batch_order, patches_of, rows_by_task


def stage_loss(
    loss: nn.Module, network: MultiHeadNetwork, output: Output, batch: Batch, merge_background: bool
) -> torch.Tensor:
    """The loss of a batch: ``marginal_loss`` where a joined softmax merges its background, else ``routed_loss``."""
    if merge_background and network.layout == "joined":
        return marginal_loss(loss, network, output, batch)
    return routed_loss(loss, output, batch.target)


def routed_loss(loss: nn.Module, output: Output, target: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean over patches of the loss of each head's own patches, so that batch Dice never pools two heads.

    Where the heads have equally many classes and the loss is a mean over patches anyway, one call gives that.

    Args:
        loss: nnU-Net's loss over all deep-supervision scales; ``averages_patches`` if it has nothing that pools them.
        output: the batch's output.
        target: per scale ``(B, 1, x, y, z)``.
    """
    if len(output.rows) == 1:
        ((_, logits),) = output.logits.items()
        return torch.as_tensor(loss(logits, list(target)))
    widths = {scales[0].shape[1] for scales in output.logits.values()}
    if len(widths) == 1 and getattr(loss, "averages_patches", False):
        return torch.as_tensor(loss(logits_in_batch_order(output), list(target)))
    total = sum(len(rows or ()) for rows in output.rows.values())
    scales = [patches_of(t, output.rows) for t in target]
    terms = [
        loss(output.logits[task], [scale[task] for scale in scales]) * (len(rows or ()) / total)
        for task, rows in output.rows.items()
    ]
    return torch.stack(terms).sum()


def marginal_loss(loss: nn.Module, network: MultiHeadNetwork, output: Output, batch: Batch) -> torch.Tensor:
    """The loss over a softmax of which each patch's task labels a part: all other classes are its background.

    Source: marginal loss, Shi et al., Medical Image Analysis 2021, arXiv 2007.03868; for the task that is new it is
    MiB's unbiased cross-entropy, Cermelli et al., CVPR 2020, arXiv 2002.00718, and the Dice on the same classes.

    Args:
        loss: nnU-Net's loss over all deep-supervision scales.
        network: with joined heads.
        output: the batch's output, all of it from the one softmax.
        batch: its targets number the softmax's classes.
    """
    ((_, together),) = output.logits.items()
    rows = rows_by_task(batch.tasks)
    logits = [patches_of(scale, rows) for scale in together]
    targets = [patches_of(scale, rows) for scale in batch.target]
    terms = []
    for task in rows:
        own = network.channels(task)
        merged = [with_merged_background(scale[task], own) for scale in logits]
        target = [own_labels(scale[task], own) for scale in targets]
        terms.append(loss(merged, target) * (len(target[0]) / len(batch.keys)))
    return torch.stack(terms).sum()


def with_merged_background(logits: torch.Tensor, kept: range) -> torch.Tensor:
    """Logits ``(B, 1 + n, ...)`` of a background that all classes but the kept n belong to, and of those.

    Their softmax gives the kept classes the probabilities that they had, and the background the sum of the rest.
    """
    rest = torch.cat([logits[:, : kept.start], logits[:, kept.stop :]], 1)
    return torch.cat([rest.logsumexp(1, keepdim=True), logits[:, kept.start : kept.stop]], 1)


def own_labels(target: torch.Tensor, own: range) -> torch.Tensor:
    """Labels counted from 1 among a task's own classes; everything else is background."""
    inside = (target >= own.start) & (target < own.stop)
    return torch.where(inside, target - (own.start - 1), torch.zeros_like(target))
