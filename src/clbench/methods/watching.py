"""What the methods share whose importance is gathered along the path of training, from stage 1 on."""

from __future__ import annotations

from typing import Any, Literal

import torch

from clbench.methods.base import Context
from clbench.methods.fisher import Importance, trace_normalized
from clbench.methods.quadratic import QuadraticPenalty, Update


class PathPenalty(QuadraticPenalty):
    """A quadratic penalty whose importance comes from gradients and steps seen in training.

    With ``normalize: trace`` the importance is scaled to mean 1, so that strengths compare with EWC's.

    A subclass implements ``watch`` and ``importance_of_stage``. The gradient it is given is the task's own:
    taken before the penalty's is added and before clipping. The step is the optimiser's, momentum and weight
    decay included, before a proximal pull.
    """

    watches_first_stage = True

    def __init__(self, strength: float, normalize: Literal["trace", "none"], update: Update) -> None:
        super().__init__(strength, update)
        self.normalize = normalize
        self._path: dict[str, list[torch.Tensor]] = {}

    def begin_stage(self, context: Context) -> None:
        """Protect by what earlier stages gathered; of the first stage there is nothing yet."""
        self._all = list(context.trunk)
        self._watched = list(context.trunk.values())
        self._start = [p.detach().clone() for p in self._watched]
        self._before = [p.detach().clone() for p in self._watched]
        kept: Importance = context.memory["importance"] if context.memory else {}
        self._kept = {name: f.to(context.trunk[name].device) for name, f in kept.items()}
        self.protect(context, trace_normalized(self._kept) if self.normalize == "trace" else self._kept)
        self.prepare()

    def prepare(self) -> None:
        """Lay out what ``watch`` gathers in ``self._path``."""

    def watch(self, iteration: int, gradients: list[torch.Tensor], steps: list[torch.Tensor]) -> None:
        """Take in one step: the task's gradient and the optimiser's step, per parameter."""

    def importance_of_stage(self, drift: list[torch.Tensor]) -> list[torch.Tensor]:
        """The stage's importance, given how far each parameter went from the stage's beginning."""
        return drift

    def after_backward(self, iteration: int, lr: float) -> None:
        """Keep the task's own gradient, then add the penalty's."""
        self._gradients = [torch.zeros_like(p) if p.grad is None else p.grad.detach().clone() for p in self._watched]
        if self._kept:
            super().after_backward(iteration, lr)

    @torch.no_grad()
    def after_step(self, iteration: int, lr: float) -> None:
        """Show the step to ``watch``, then pull."""
        self.watch(iteration, self._gradients, torch._foreach_sub(self._watched, self._before))
        if self._kept:
            super().after_step(iteration, lr)
        torch._foreach_copy_(self._before, self._watched)

    def end_stage(self) -> dict[str, Any]:
        """Importance of all stages so far, this one's added."""
        drift = [p.detach() - start for p, start in zip(self._watched, self._start, strict=True)]
        gathered = dict(zip(self._all, self.importance_of_stage(drift), strict=True))
        total = {name: f + self._kept[name] if self._kept else f for name, f in gathered.items()}
        return {"importance": {name: f.cpu() for name, f in total.items()}}

    def state(self) -> dict[str, Any]:
        """What was gathered so far."""
        return {**super().state(), "path": self._path, "before": self._before}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on gathering."""
        super().load_state(state)
        for mine, saved in zip(self._before, state["before"], strict=True):
            mine.copy_(saved)
        for name, tensors in state["path"].items():
            for mine, saved in zip(self._path[name], tensors, strict=True):
                mine.copy_(saved)
