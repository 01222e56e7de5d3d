"""What a method is: a small object with hooks into the stage loop, each of them empty by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from clbench.network.batch import Batch, Key
from clbench.network.heads import MultiHeadNetwork, Output

Numbers = dict[str, Any]


def ran_away(term: float, loss: float) -> bool:
    """Whether a term that begins a stage at 0 has grown beyond what descent can explain.

    Descent on a loss plus a term raises the term at most by what the loss gives up; ten times the loss, or ten if
    that is more, leaves room for momentum and noise. Clipping at 12 bounds every step, and so can keep a training
    that has long diverged in the finite numbers to its end.

    Args:
        term: what the method adds to the loss.
        loss: the task's.
    """
    return not term <= 10 * max(1.0, abs(loss))


@dataclass(frozen=True)
class Context:
    """What a method sees of the stage that begins.

    Attributes:
        network: its trunk still is the previous stage's; its heads are those of all earlier tasks, frozen
            where each task has its own, and the new one.
        trunk: the parameters that the tasks share, by name: what a method may protect or change. The trunk's;
            where the tasks share a head or a softmax, also the heads' that earlier tasks are predicted with.
        task: the task of this stage.
        earlier: the tasks learnt before this stage, in order; the last one is the previous stage's.
        cases: names of the training cases of every task so far, this stage's included.
        patches: loads one patch of each of some cases, without augmentation, on the training device.
        batches: the same with the training's augmentation.
        task_loss: nnU-Net's loss of a batch's output, as the stage takes it.
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
    task: str
    earlier: tuple[str, ...]
    cases: Mapping[str, tuple[str, ...]]
    patches: Callable[[Sequence[Key]], Batch]
    batches: Callable[[Sequence[Key]], Batch]
    task_loss: Callable[[Batch, Output], torch.Tensor]
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

    def recalled(self, part: str) -> dict[str, torch.Tensor]:
        """A part of the memory that holds a tensor per shared parameter, on the parameters' device.

        A parameter that is shared only since the last stage, a head that was new then, has nothing to recall: 0.
        """
        known = (self.memory or {})[part]
        return {
            name: known[name].to(p.device) if name in known else torch.zeros_like(p, requires_grad=False)
            for name, p in self.trunk.items()
        }

    def moment(self, iteration: int) -> str | None:
        """``first``, ``middle`` or ``last`` at the end of that epoch, else None: when evidence is taken."""
        epochs = self.iterations // self.epoch_iterations
        ends = {1: "first", (epochs + 1) // 2: "middle", epochs: "last"}
        epoch, rest = divmod(iteration + 1, self.epoch_iterations)
        return None if rest else ends.get(epoch)


class Method:
    """Plain fine-tuning; a method overrides the hooks it needs.

    A subclass takes its settings as keyword arguments with annotations and literal defaults: that signature
    is what a baseline's card is checked against. What it says of itself in class attributes is read without
    importing it:

    Attributes:
        watches_first_stage: whether it has a stage 1 of its own; all others leave stage 1 alone.
        scenarios: those it is defined for.
        neutral: settings under which it is fine-tuning to the bit; None if there are none.
        merges_background: in a softmax that grows, whether classes that a patch's task does not label count as
            its background (the marginal loss); an instance may set it.
    """

    watches_first_stage: ClassVar[bool] = False
    scenarios: ClassVar[tuple[str, ...]] = ("task-incremental", "domain-incremental", "class-incremental")
    neutral: ClassVar[Mapping[str, Any] | None] = None
    merges_background: bool = False

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

    def begin_training(self, optimizer: torch.optim.Optimizer) -> None:
        """Take hold of the optimiser, just made: its momentum, or its groups' weight decay."""

    def rate(self, iteration: int) -> float:
        """Factor on the learning rate of this step."""
        return 1.0

    def draw(self, iteration: int, keys: tuple[Key, ...]) -> tuple[Key, ...]:
        """Replace cases of the batch that is about to be loaded.

        Asked once per iteration, in order. Where workers load, that is some iterations ahead of the training, and
        how many depends on their number: go by the iteration, the cases and random numbers that no other hook
        takes from, not by what training has changed.
        """
        return keys

    def relabel(self, batch: Batch) -> Batch:
        """Change the targets of a batch that was just loaded."""
        return batch

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

    def buffers(self, earlier: int) -> float:
        """What ``end_stage`` returns after this many earlier tasks, in float32 numbers per trunk parameter."""
        return 0.0

    def diverging(self, loss: float) -> bool:
        """Whether the method's own term runs away though all is finite still; asked at the end of every epoch.

        Args:
            loss: mean of the stage's first epoch.
        """
        return False

    def advice(self) -> str:
        """What is known about a training that diverged, such as the method's term and a stability bound."""
        return ""

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
