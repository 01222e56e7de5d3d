"""What a method is: a small object with hooks into the stage loop, each of them empty by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from clbench.network.batch import Batch, Key
from clbench.network.heads import MultiHeadNetwork, Output

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Context:
    """What a method sees of the stage that begins.

    Attributes:
        network: its trunk still is the previous stage's; its heads are those of all earlier tasks, frozen,
            and the new one.
        trunk: the trunk's parameters by name: what a method may protect or change.
        earlier: the tasks learnt before this stage, in order; the last one is the previous stage's.
        cases: names of the training cases of every task so far, this stage's included.
        patches: loads one patch of each of some cases, without augmentation, on the training device.
        memory: what this method's ``end_stage`` of the previous stage returned; None when there is none.
        iterations: optimiser steps that this stage will take.
        epoch_iterations: of these, in one epoch.
        batch: patches in one step.
        lr: initial learning rate.
        momentum: of SGD.
        rng: the method's own generator, so that it never disturbs the data's.
    """

    network: MultiHeadNetwork
    trunk: Mapping[str, nn.Parameter]
    earlier: tuple[str, ...]
    cases: Mapping[str, tuple[str, ...]]
    patches: Callable[[Sequence[Key]], Batch]
    memory: dict[str, Any] | None
    iterations: int
    epoch_iterations: int
    batch: int
    lr: float
    momentum: float
    rng: np.random.Generator

    @property
    def previous_task(self) -> str:
        """The task of the previous stage."""
        return self.earlier[-1]

    def moment(self, iteration: int) -> str | None:
        """``first``, ``middle`` or ``last`` at the end of that epoch, else None: when evidence is taken."""
        epochs = self.iterations // self.epoch_iterations
        ends = {1: "first", (epochs + 1) // 2: "middle", epochs: "last"}
        epoch, rest = divmod(iteration + 1, self.epoch_iterations)
        return None if rest else ends.get(epoch)


class Method:
    """Plain fine-tuning; a method overrides the hooks it needs.

    A subclass takes its settings as keyword arguments with annotations and literal defaults: that signature
    is what a baseline's card is checked against. It must leave stage 1 alone, unless it says
    ``watches_first_stage = True``.
    """

    watches_first_stage = False

    @cached_property
    def notes(self) -> Numbers:
        """Numbers taken on the way, by name; they survive a kill and become part of the evidence."""
        return {}

    def note(self, moment: str, **numbers: float) -> None:
        """Take numbers as ``<name>_<moment>``; see ``Context.moment``."""
        self.notes.update({f"{name}_{moment}": value for name, value in numbers.items()})

    def largest(self, name: str) -> float:
        """The largest of a number's notes; 0 if there is none."""
        return max((value for key, value in self.notes.items() if key.startswith(f"{name}_")), default=0.0)

    def begin_stage(self, context: Context) -> None:
        """Look at the previous stage before the first step; importance is computed here."""

    def rate(self, iteration: int) -> float:
        """Factor on the learning rate of this step."""
        return 1.0

    def draw(self, iteration: int, keys: tuple[Key, ...]) -> tuple[Key, ...]:
        """Replace cases of the batch that is about to be loaded."""
        return keys

    def loss(self, batch: Batch, output: Output, loss: torch.Tensor) -> torch.Tensor:
        """Add a term that needs the network's output."""
        return loss

    def after_backward(self, iteration: int, lr: float) -> None:
        """Add to the gradients, after unscaling and before clipping."""

    def after_step(self, iteration: int, lr: float) -> None:
        """Move, clamp or watch the parameters after the optimiser's step."""

    def end_stage(self) -> dict[str, Any]:
        """What must be remembered from this stage, as tensors and plain values.

        Called once, before the model is written: a method that changes the trunk after training does it here.
        """
        return {}

    def state(self) -> dict[str, Any]:
        """Everything that changes within a stage, for an exact resume after ``begin_stage`` ran again."""
        return {"notes": dict(self.notes)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` returned."""
        self.notes.update(state["notes"])

    def kept_cases(self) -> tuple[Key, ...]:
        """Earlier tasks' cases that the method keeps and trains on: its replay burden."""
        return ()

    def effect(self) -> float | None:
        """How much the method moved, relative to the task's own gradient or loss; None if it claims nothing.

        Zero stamps the baseline INERT.
        """
        return None

    def evidence(self) -> Numbers:
        """Numbers that prove that it ran: the notes, and what a method adds."""
        return dict(self.notes)
