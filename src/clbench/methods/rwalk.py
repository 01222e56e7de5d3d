"""Riemannian walk (Chaudhry et al., ECCV 2018; code facebookresearch/agem)."""

from __future__ import annotations

from typing import Any, Literal

import torch

from clbench.methods.base import Context
from clbench.methods.watching import PathPenalty


class RWalk(PathPenalty):
    """RWalk: a running Fisher along training plus a score of how much the loss fell per KL distance gone.

    Every ``interval`` steps: ``F <- decay g^2 + (1 - decay) F`` and
    ``s <- s + relu(fall / (F drift^2 / 2 + eps))``; importance is ``F / max F + s / max s``, scores averaged
    half and half with those of earlier stages. The batch's gradient is squared as it is, as in the authors'
    code.
    """

    def __init__(
        self,
        *,
        strength: float = 0.1,
        decay: float = 0.9,
        interval: int = 10,
        normalize: Literal["trace", "none"] = "trace",
        update: Literal["proximal", "gradient"] = "proximal",
    ) -> None:
        """Set strength, the Fisher's decay, steps between two looks, scale and update."""
        super().__init__(strength, normalize, update)
        self.decay, self.interval = decay, interval

    def begin_stage(self, context: Context) -> None:
        """Take over the Fisher and the scores of earlier stages."""
        super().begin_stage(context)
        self._earlier = context.memory["scores"] if context.memory else None
        if context.memory:
            for mine, saved in zip(self._path["fisher"], context.memory["fisher"].values(), strict=True):
                mine.copy_(saved)

    def prepare(self) -> None:
        """Fisher, score, the fall of the loss and the way gone since the last look."""
        self._path = {
            name: [torch.zeros_like(p) for p in self._watched] for name in ("fisher", "score", "fall", "way")
        }

    def watch(self, iteration: int, gradients: list[torch.Tensor], steps: list[torch.Tensor]) -> None:
        """Count the fall and the way; at every look, turn them into a score."""
        path = self._path
        torch._foreach_addcmul_(path["fall"], gradients, steps, value=-1.0)
        torch._foreach_add_(path["way"], steps)
        if (iteration + 1) % self.interval:
            return
        for fisher, score, fall, way, gradient in zip(
            path["fisher"], path["score"], path["fall"], path["way"], gradients, strict=True
        ):
            fisher.mul_(1 - self.decay).addcmul_(gradient, gradient, value=self.decay)
            score.add_((fall / (0.5 * fisher * way**2 + 1e-32)).clamp(min=0).nan_to_num(0.0, 0.0, 0.0))
            fall.zero_()
            way.zero_()

    def importance_of_stage(self, drift: list[torch.Tensor]) -> list[torch.Tensor]:
        """Fisher and score, each divided by its largest value."""
        scores = self._averaged_scores()
        most_fisher = max(float(f.max()) for f in self._path["fisher"]) or 1.0
        most_score = max(float(s.max()) for s in scores) or 1.0
        return [f / most_fisher + s / most_score for f, s in zip(self._path["fisher"], scores, strict=True)]

    def _averaged_scores(self) -> list[torch.Tensor]:
        if self._earlier is None:
            return self._path["score"]
        return [
            (s + old.to(s.device)) / 2 for s, old in zip(self._path["score"], self._earlier.values(), strict=True)
        ]

    def end_stage(self) -> dict[str, Any]:
        """The importance, which replaces that of earlier stages, and what it is made of."""
        drift = [p.detach() - start for p, start in zip(self._watched, self._start, strict=True)]
        importance = self.importance_of_stage(drift)
        parts = {"importance": importance, "fisher": self._path["fisher"], "scores": self._averaged_scores()}
        return {
            part: {name: t.cpu() for name, t in zip(self._all, tensors, strict=True)}
            for part, tensors in parts.items()
        }
