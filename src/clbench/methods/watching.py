"""What the methods share whose importance is gathered along the path of training, from stage 1 on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

import torch

from clbench.methods.base import Context, Numbers
from clbench.methods.fisher import Importance, trace_normalized
from clbench.methods.quadratic import QuadraticPenalty, Update


class PathPenalty(QuadraticPenalty, ABC):
    """A quadratic penalty whose importance comes from gradients and steps seen in training.

    With ``normalize: trace`` each stage's importance is scaled to mean 1 before it is added, as EWC's Fisher is,
    so that strengths compare.

    A subclass implements ``prepare``, ``watch`` and ``importance_of_stage``. The gradient it is given is the
    task's own: taken before the penalty's is added and before clipping, 0 where mixed precision overflowed. The
    step is the whole way the parameter went: momentum, weight decay and a proximal pull included, so that one
    which is held where it is has gone nowhere.
    """

    watches_first_stage = True

    def __init__(self, strength: float, normalize: Literal["trace", "none"], update: Update) -> None:
        super().__init__(strength, update)
        self.normalize = normalize
        self._path: dict[str, list[torch.Tensor]] = {}
        self._found: Numbers = {}

    def begin_stage(self, context: Context) -> None:
        """Protect by what earlier stages gathered; of the first stage there is nothing yet."""
        self._kept: Importance = context.recalled("importance") if context.memory else {}
        self.protect(context, self._kept)
        self._all, self._watched = list(context.trunk), list(context.trunk.values())
        self._before = [p.detach().clone() for p in self._watched]
        self._start = self._anchor if self._kept else [p.clone() for p in self._before]
        self.prepare()

    @abstractmethod
    def prepare(self) -> None:
        """Lay out what ``watch`` gathers in ``self._path``."""

    @abstractmethod
    def watch(self, iteration: int, gradients: list[torch.Tensor], steps: list[torch.Tensor]) -> None:
        """Take in one step: the task's gradient and the way each parameter went."""

    @abstractmethod
    def importance_of_stage(self, drift: list[torch.Tensor]) -> list[torch.Tensor]:
        """The stage's importance, given how far each parameter went from the stage's beginning."""

    def after_backward(self, iteration: int, lr: float) -> None:
        """Keep the task's own gradient, then add the penalty's."""
        self._gradients = [
            torch.zeros_like(p) if p.grad is None else torch.nan_to_num(p.grad, 0.0, 0.0, 0.0) for p in self._watched
        ]
        if self._kept:
            super().after_backward(iteration, lr)

    @torch.no_grad()
    def after_step(self, iteration: int, lr: float) -> None:
        """Pull, then show ``watch`` where that led."""
        if self._kept:
            super().after_step(iteration, lr)
        self.watch(iteration, self._gradients, torch._foreach_sub(self._watched, self._before))
        torch._foreach_copy_(self._before, self._watched)

    def end_stage(self) -> dict[str, Any]:
        """Importance of all stages so far, this one's added."""
        gathered = self.gathered()
        total = {name: f + self._kept[name] if self._kept else f for name, f in gathered.items()}
        return {"importance": {name: f.cpu() for name, f in total.items()}}

    def buffers(self, earlier: int) -> float:
        """The importance."""
        return 1.0

    def gathered(self) -> Importance:
        """The stage's importance by name, scaled if so asked; its size before scaling becomes evidence."""
        drift = [p.detach() - start for p, start in zip(self._watched, self._start, strict=True)]
        raw = dict(zip(self._all, self.importance_of_stage(drift), strict=True))
        count = sum(f.numel() for f in raw.values())
        self._found["stage_importance_mean"] = sum(float(f.sum()) for f in raw.values()) / count
        self._found["stage_importance_zero_share"] = sum(int((f == 0).sum()) for f in raw.values()) / count
        return trace_normalized(raw) if self.normalize == "trace" else raw

    def state(self) -> dict[str, Any]:
        """What was gathered so far."""
        return {**super().state(), "path": self._path, "before": self._before}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on gathering."""
        super().load_state(state)
        torch._foreach_copy_(self._before, state["before"])
        for name, tensors in self._path.items():
            torch._foreach_copy_(tensors, state["path"][name])

    def effect(self) -> float | None:
        """The penalty's; in the first stage, which is watched alone, none is claimed."""
        return super().effect() if self._kept else None

    def evidence(self) -> Numbers:
        """The penalty's evidence, and what this stage gathered, as it was before scaling."""
        return (super().evidence() if self._kept else dict(self.notes)) | self._found
