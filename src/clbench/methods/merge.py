"""Merging trunks after a stage: WiSE-FT, running mean, TIES, MagMax, Fisher-weighted."""

from __future__ import annotations

from typing import Any, Literal

import torch

from clbench.methods.base import Context, Method, Numbers
from clbench.methods.ema import relative_distance
from clbench.methods.fisher import Importance, estimate_fisher

Weights = list[torch.Tensor]


def interpolated(old: Weights, new: Weights, alpha: float) -> Weights:
    """WiSE-FT (Wortsman 2022): ``(1 - alpha) old + alpha new``; the end points are exact."""
    if alpha in (0.0, 1.0):
        return [w.clone() for w in (new if alpha else old)]
    return [torch.lerp(a, b, alpha) for a, b in zip(old, new, strict=True)]


def fisher_merged(old: Weights, new: Weights, old_fisher: Weights, new_fisher: Weights) -> Weights:
    """``(F0 old + F1 new) / (F0 + F1)``, the minimum of the summed quadratics; the mean where both are 0."""
    merged = []
    for a, b, f, g in zip(old, new, old_fisher, new_fisher, strict=True):
        weight = torch.where(f + g > 0, g / (f + g), torch.full_like(f, 0.5))
        merged.append(torch.lerp(a, b, weight))
    return merged


def magmax(vectors: list[Weights]) -> Weights:
    """MagMax (Marczak 2024): of several task vectors, per weight the one of largest magnitude."""
    best = [v.clone() for v in vectors[0]]
    for vector in vectors[1:]:
        best = [torch.where(v.abs() > b.abs(), v, b) for v, b in zip(vector, best, strict=True)]
    return best


def ties(vectors: list[Weights], keep: float) -> Weights:
    """TIES (Yadav 2023): trim each vector to its largest share, elect a sign, average those that agree.

    Args:
        vectors: task vectors.
        keep: share of each whole vector that is kept, the largest by magnitude.
    """
    trimmed = [_trimmed(vector, keep) for vector in vectors]
    merged = []
    for parts in zip(*trimmed, strict=True):
        stacked = torch.stack(parts)
        sign = torch.sign(stacked.sum(0))
        agree = (torch.sign(stacked) == sign) & (stacked != 0)
        merged.append((stacked * agree).sum(0) / agree.sum(0).clamp(min=1))
    return merged


def added(base: Weights, change: Weights, new: Weights) -> Weights:
    """``base + change``, and exactly ``new`` where the change is the newest task vector's."""
    return [torch.where(c == n - b, n, b + c) for b, c, n in zip(base, change, new, strict=True)]


def _trimmed(vector: Weights, keep: float) -> Weights:
    flat = torch.cat([v.abs().flatten() for v in vector])
    count = int(keep * flat.numel())
    if count == 0:
        return [torch.zeros_like(v) for v in vector]
    threshold = flat.kthvalue(flat.numel() - count + 1).values
    return [torch.where(v.abs() >= threshold, v, torch.zeros_like(v)) for v in vector]


class Merge(Method):
    """Merging after training: a stage ends with a mixture of its trunk and earlier ones; heads stay as they are.

    ``wise`` and ``fisher`` mix the previous trunk with the new one and the sequence goes on from the mixture,
    ``mean`` with weight 1/stage. ``ties`` and ``magmax`` train on along the plain sequence and mix the task
    vectors from the first stage's trunk; ``ties`` keeps a vector per task.
    """

    scenarios = ("task-incremental", "domain-incremental")
    neutral = {"rule": "wise", "alpha": 1.0}

    def __init__(
        self,
        *,
        rule: Literal["wise", "mean", "fisher", "ties", "magmax"] = "wise",
        alpha: float = 0.5,
        keep: float = 0.2,
        samples: int = 4,
    ) -> None:
        """Set the rule; the new trunk's weight of ``wise``, the share ``ties`` keeps, Fisher draws of ``fisher``."""
        self.rule, self.alpha, self.keep, self.samples = rule, alpha, keep, samples
        self._moved = 0.0
        self._identity = False

    @torch.no_grad()
    def begin_stage(self, context: Context) -> None:
        """Keep the previous trunk; of rules that train on along the plain sequence, take that one up."""
        self.context = context
        self._trunk = list(context.trunk.values())
        self._old = [p.detach().clone() for p in self._trunk]
        self._memory = context.memory or {}
        if self.rule == "fisher":
            with torch.enable_grad():
                self._old_fisher = self._accumulated(estimate_fisher(context, self.samples).diagonal)
        if self.rule in ("ties", "magmax"):
            base = self._memory.get("base")
            self._base = self._old if base is None else [b.to(p.device) for b, p in zip(base, self._old, strict=True)]
            if "plain" in self._memory:
                torch._foreach_copy_(self._trunk, self._memory["plain"])

    def _accumulated(self, fisher: Importance) -> Importance:
        before = self._memory.get("fisher", {})
        return {name: f + before[name].to(f.device) if before else f for name, f in fisher.items()}

    @torch.no_grad()
    def end_stage(self) -> dict[str, Any]:
        """Merge in place; what later stages need is returned."""
        plain = [p.detach().clone() for p in self._trunk]
        merged, memory = self._merged(plain)
        torch._foreach_copy_(self._trunk, merged)
        self._moved = relative_distance(self._trunk, plain)
        return memory

    def _merged(self, new: Weights) -> tuple[Weights, dict[str, Any]]:
        if self.rule == "wise":
            return interpolated(self._old, new, self.alpha), {}
        if self.rule == "mean":
            return interpolated(self._old, new, 1 / (len(self.context.earlier) + 1)), {}
        if self.rule == "fisher":
            return self._by_fisher(new)
        vectors = [[v.to(p.device) for v, p in zip(vector, new, strict=True)] for vector in self._vectors()]
        vectors.append(torch._foreach_sub(new, self._base))
        change = magmax(vectors) if self.rule == "magmax" else ties(vectors, self.keep)
        kept = [change] if self.rule == "magmax" else vectors
        self._identity = len(vectors) == 1 and (self.rule == "magmax" or self.keep >= 1)
        return added(self._base, change, new), {
            "base": [b.cpu() for b in self._base],
            "plain": [p.cpu() for p in new],
            "vectors": [[v.cpu() for v in vector] for vector in kept],
        }

    def _vectors(self) -> list[Weights]:
        return list(self._memory.get("vectors", []))

    def _by_fisher(self, new: Weights) -> tuple[Weights, dict[str, Any]]:
        with torch.enable_grad():
            fisher = estimate_fisher(self.context, self.samples, task=self.context.task).diagonal
        merged = fisher_merged(self._old, new, list(self._old_fisher.values()), list(fisher.values()))
        return merged, {"fisher": {name: f.cpu() for name, f in self._old_fisher.items()}}

    def buffers(self, earlier: int) -> float:
        """The rule's: the summed Fisher; the first trunk, the unmerged one and the task vectors kept."""
        return {"fisher": 1.0, "magmax": 3.0, "ties": 2.0 + earlier}.get(self.rule, 0.0)

    def effect(self) -> float | None:
        """How far merging moved the trunk, relative to its norm; of a lone task vector nothing is claimed."""
        return None if self._identity else self._moved

    def evidence(self) -> Numbers:
        """The same."""
        return {**super().evidence(), "relative_move": self._moved}
