"""Riemannian walk (Chaudhry et al., ECCV 2018; code facebookresearch/agem)."""

from __future__ import annotations

from typing import Any, Literal

import torch

from clbench.methods.base import Context
from clbench.methods.watching import PathPenalty


class RWalk(PathPenalty):
    """RWalk: a running Fisher along training plus a score of how much the loss fell per KL distance gone.

    Every ``interval`` steps, and at the last: ``F <- decay g^2 + (1 - decay) F`` and
    ``s <- s + relu(fall / (F way^2 / 2 + damping))``; importance is ``F / max F + s / max s``, scores averaged
    half and half with those of earlier stages. The batch's gradient is squared as it is, as in the authors'
    code. Without damping the score is about ``2 / (g way)``, largest where nothing happens: with the authors'
    1e-32 a thousandth of the weights had all of it, and only the Fisher was left of the importance.
    """

    neutral = {"strength": 0.0}

    def __init__(
        self,
        *,
        strength: float = 0.1,
        decay: float = 0.9,
        interval: int = 10,
        damping: float = 1e-8,
        normalize: Literal["trace", "none"] = "trace",
        update: Literal["proximal", "gradient"] = "proximal",
    ) -> None:
        """Set strength, the Fisher's decay, steps between two looks, damping of the score, scale and update."""
        super().__init__(strength, normalize, update)
        self.decay, self.interval, self.damping = decay, interval, damping

    def begin_stage(self, context: Context) -> None:
        """Take over the Fisher and the scores of earlier stages."""
        super().begin_stage(context)
        self._earlier: list[torch.Tensor] = []
        if context.memory:
            self._earlier = list(context.recalled("scores").values())
            torch._foreach_copy_(self._path["fisher"], list(context.recalled("fisher").values()))

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
        if (iteration + 1) % self.interval and iteration + 1 < self.context.iterations:
            return
        torch._foreach_mul_(path["fisher"], 1 - self.decay)
        torch._foreach_addcmul_(path["fisher"], gradients, gradients, value=self.decay)
        for score, fisher, fall, way in zip(path["score"], path["fisher"], path["fall"], path["way"], strict=True):
            score.add_((fall / (0.5 * fisher * way**2 + self.damping)).clamp(min=0))
            fall.zero_()
            way.zero_()

    def importance_of_stage(self, drift: list[torch.Tensor]) -> list[torch.Tensor]:
        """Fisher and score, each divided by its largest value."""
        fishers, scores = self._path["fisher"], self._scores()
        most_fisher, most_score = (max(float(t.max()) for t in tensors) or 1.0 for tensors in (fishers, scores))
        return [f / most_fisher + s / most_score for f, s in zip(fishers, scores, strict=True)]

    def _scores(self) -> list[torch.Tensor]:
        """This stage's, averaged with those of earlier stages."""
        if not self._earlier:
            return self._path["score"]
        return list(torch._foreach_mul(torch._foreach_add(self._path["score"], self._earlier), 0.5))

    def buffers(self, earlier: int) -> float:
        """Importance, Fisher and scores."""
        return 3.0

    def end_stage(self) -> dict[str, Any]:
        """The importance, which replaces that of earlier stages, and what it is made of."""
        fisher, scores = (dict(zip(self._all, t, strict=True)) for t in (self._path["fisher"], self._scores()))
        parts = {"importance": self.gathered(), "fisher": fisher, "scores": scores}
        return {part: {name: t.cpu() for name, t in tensors.items()} for part, tensors in parts.items()}
