"""The stage loop: nnU-Net's training step, opened where a method has to reach in."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from clbench.errors import ClbenchError
from clbench.methods.base import Method
from clbench.network.batch import Batch
from clbench.network.heads import Frozen, MultiHeadNetwork, Output
from clbench.network.losses import stage_loss
from clbench.network.randomness import random_state, set_random_state
from clbench.training.deck import Deck
from clbench.training.supply import Order, Supply
from clbench.training.trace import TraceRecorder

CLIP = 12.0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a stage trains.

    Attributes:
        epochs: of ``iterations`` steps each.
        iterations: optimiser steps in an epoch.
        batch: patches in a step.
        lr: initial learning rate, lowered per epoch as nnU-Net does, (1 - epoch/epochs)^0.9.
        momentum: Nesterov's.
        weight_decay: L2, of all parameters.
        warmup: steps over which the rate rises linearly from 0.
        head_first: epochs at the start in which the heads alone are trained.
        freeze: what of the trunk is never trained.
    """

    epochs: int
    iterations: int
    batch: int
    lr: float
    momentum: float
    weight_decay: float
    warmup: int
    head_first: int = 0
    freeze: Frozen = "none"

    def frozen(self, epoch: int) -> Frozen:
        """What of the trunk does not move in an epoch, which counts from 0."""
        return "trunk" if epoch < self.head_first else self.freeze

    def rate(self, epoch: int, iteration: int) -> float:
        """The learning rate of a step; ``iteration`` counts over the whole stage, both from 0."""
        warm = min(1.0, (iteration + 1) / self.warmup) if self.warmup else 1.0
        return warm * self.lr * float((1 - epoch / self.epochs) ** 0.9)


class Diverged(ClbenchError):
    """Training left the finite numbers, or a method's term ran away."""

    exit_code = 3


class Stage:
    """One stage in training: everything that changes from step to step, and the step."""

    def __init__(
        self,
        network: MultiHeadNetwork,
        loss: nn.Module,
        schedule: Schedule,
        method: Method,
        deck: Deck,
        supply: Supply,
        device: torch.device,
        merge_background: bool = False,
    ) -> None:
        """Bind the parts together; heads that are frozen are left out of the optimiser.

        Args:
            network: trunk and heads on ``device``.
            loss: nnU-Net's loss over the scales.
            schedule: epochs, steps and rates.
            method: the continual-learning method, already told of the stage.
            deck: where the cases come from.
            supply: makes the batches, on ``device``, in this process or in others ahead of time.
            device: where to train; autocast and gradient scaling as nnU-Net does, on CUDA alone.
            merge_background: whether classes of a joined softmax that a patch's task does not label count as
                its background.
        """
        self.network, self.loss, self.schedule, self.method = network, loss, schedule, method
        self.deck, self.supply, self.device = deck, supply, device
        self.merge_background = merge_background
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(
            self.parameters, schedule.lr, schedule.momentum, weight_decay=schedule.weight_decay, nesterov=True
        )
        method.begin_training(self.optimizer)
        self.mixed = device.type == "cuda"
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.mixed)
        self._batches: Iterator[Batch] | None = None
        self._drawn: deque[Order] = deque()
        self.trace = TraceRecorder(dict(network.named_parameters()))
        self.epoch = 0
        self.losses: list[float] = []
        self.seconds = 0.0

    def train_epoch(self) -> None:
        """Train one epoch.

        Raises:
            Diverged: loss or weights are no finite numbers, or the method sees its own term run away.
        """
        start = time.perf_counter()
        self._begin_epoch()
        with self.supply.watched():
            losses = [self._iteration(i) for i in self._iterations()]
            self.losses.append(float(torch.stack(losses).mean()))
        self.epoch += 1
        if self.epoch == self.schedule.epochs:
            self._batches = None  # which ends the workers
        self.seconds += time.perf_counter() - start
        if not self._finite() or self.method.diverging(self.losses[0]):
            raise Diverged(self._post_mortem())

    def train_first(self, iterations: int) -> None:
        """Train the first iterations of the stage and no more: what the ``trace`` of a whole training begins with."""
        with self.supply.watched():
            for iteration in range(iterations):
                self.epoch = iteration // self.schedule.iterations
                self._begin_epoch()
                self._iteration(iteration)
        self._batches = None

    def _begin_epoch(self) -> None:
        self.network.train()
        if self.schedule.head_first or self.schedule.freeze != "none":
            self.network.freeze(self.schedule.frozen(self.epoch))

    def _finite(self) -> bool:
        return math.isfinite(self.losses[-1]) and all(bool(p.isfinite().all()) for p in self.parameters)

    def _post_mortem(self) -> str:
        known = ", ".join(f"{name} {value:.3g}" for name, value in self.method.notes.items())
        sentences = [
            f"training diverged in epoch {self.epoch} of {self.schedule.epochs} (loss {self.losses[-1]:.3g}, rate "
            f"{self.optimizer.param_groups[0]['lr']:.3g}); lower the learning rate or the method's strength",
            self.method.advice(),
            f"the method recorded: {known}" if known else "",
        ]
        return "; ".join(sentence for sentence in sentences if sentence)

    def _iterations(self) -> range:
        first = self.epoch * self.schedule.iterations
        return range(first, first + self.schedule.iterations)

    def _iteration(self, iteration: int) -> torch.Tensor:
        batch = self._next_batch()
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(self.epoch, iteration) * self.method.rate(iteration)
        self.trace.begin()
        loss = self.step(self.method.relabel(batch), iteration)
        self.trace.see(loss)
        return loss

    def _next_batch(self) -> Batch:
        if self._batches is None:
            self._batches = self.supply.batches(self._orders())
        batch = next(self._batches)
        self._drawn.popleft()
        return batch

    def _orders(self) -> Iterator[Order]:
        """The cases of all iterations to come: those drawn before a kill and not trained on, then new ones.

        Workers draw some way ahead, but never beyond the last iteration: a method counts what it draws.
        """
        yield from tuple(self._drawn)
        first = self.epoch * self.schedule.iterations + len(self._drawn)
        for iteration in range(first, self.schedule.epochs * self.schedule.iterations):
            keys = self.method.draw(iteration, self.deck.draw(self.schedule.batch))
            self._drawn.append((iteration, keys))
            yield iteration, keys

    def step(self, batch: Batch, iteration: int) -> torch.Tensor:
        """One optimiser step on one batch; returns the detached loss.

        The order is ``nnUNetTrainer.train_step``'s: forward, loss, backward, unscale, clip at 12, step. A
        method adds to the loss, to the unscaled gradients before clipping, and to the stepped parameters.
        """
        lr = self.optimizer.param_groups[0]["lr"]
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, enabled=self.mixed):
            output = self.network(batch.data, batch.tasks)
            loss = self.method.loss(batch, output, self.task_loss(batch, output))
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        self.method.after_backward(iteration, lr)
        nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.method.after_step(iteration, lr)
        return loss.detach()

    def task_loss(self, batch: Batch, output: Output) -> torch.Tensor:
        """nnU-Net's loss of a batch, each patch by its own head, or by its own part of a joined softmax."""
        return stage_loss(self.loss, self.network, output, batch, self.merge_background)

    def state(self) -> dict[str, Any]:
        """Everything that an exact resume needs, at the end of an epoch."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "method": self.method.state(),
            "deck": self.deck.state(),
            "drawn": [(iteration, [list(key) for key in keys]) for iteration, keys in self._drawn],
            "random": random_state(),
            "epoch": self.epoch,
            "losses": list(self.losses),
            "trace": self.trace.state(),
            "seconds": self.seconds,
        }

    def load_state(self, state: dict[str, Any], hook: AbstractContextManager[None] | None = None) -> None:
        """Go on where ``state`` was taken, to the same bits on CPU.

        Args:
            state: what ``state`` gave.
            hook: what is entered while the method takes up its own, whose errors are not the stage's.
        """
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:  # nothing where the epochs so far were trained on a CPU
            self.scaler.load_state_dict(state["scaler"])
        with hook or nullcontext():
            self.method.load_state(state["method"])
        self.deck.load_state(state["deck"])
        self._drawn = deque((i, tuple((task, case) for task, case in keys)) for i, keys in state["drawn"])
        self._batches = None
        set_random_state(state["random"])
        self.trace.load_state(state["trace"])
        self.epoch, self.losses, self.seconds = state["epoch"], list(state["losses"]), state["seconds"]
