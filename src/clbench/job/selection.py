"""Which model of a stage is kept: the last, or the best by nnU-Net's moving average of the pseudo Dice.

The pseudo Dice is of patches, pooled over all of them, as ``nnUNetTrainer.on_validation_epoch_end`` computes it, and
the average is nnU-Net's, 0.9 of the old and 0.1 of the new. The patches are of cases that are set aside from the
training cases and not reported, unless the definition says ``best-as-original``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch

from clbench.job.method import naming
from clbench.job.trainee import SELECT, Trainee
from clbench.network.batch import Batch, Key
from clbench.network.losses import own_labels
from clbench.network.randomness import random_state, seed_all, set_random_state
from clbench.nnunet.loader import CaseLibrary, PatchLoader, plain_loader
from clbench.training.deck import Deck
from clbench.training.stage import Stage

OLD = 0.9
"""Weight of the average so far."""
SHARE = 0.2
"""Validation steps per training step, as nnU-Net's 50 to 250."""


class Selection:
    """Looks at a stage after every epoch and keeps the best model so far; with ``final`` it does nothing.

    Attributes:
        average: the moving average; None before the first epoch.
        best: ``{"epoch", "average", "network", "method"}`` of the best model; None where the last is kept.
    """

    def __init__(self, trainee: Trainee, stage: Stage) -> None:
        self.trainee, self.stage = trainee, stage
        self.cases = {task: trainee.selection_cases(task) for task in trainee.spec.tasks}
        self.average: float | None = None
        self.best: dict[str, Any] | None = None

    def look(self) -> None:
        """Measure the epoch that has just ended, without disturbing what the next ones draw."""
        if self.trainee.spec.checkpoint == "final":
            return
        before = random_state()
        seed_all([*self.trainee.stream(SELECT), self.stage.epoch])
        dice = self._pseudo_dice()
        set_random_state(before)
        self.average = dice if self.average is None else OLD * self.average + (1 - OLD) * dice
        if self.best is None or self.average > self.best["average"]:
            weights = copy.deepcopy({name: value.cpu() for name, value in self.stage.network.state_dict().items()})
            method = copy.deepcopy(self.stage.method.state())
            self.best = {
                "epoch": self.stage.epoch, "average": self.average, "network": weights, "method": method,
            }  # fmt: skip

    def choose(self) -> None:
        """Put the best model in the last one's place, and what its method knew at that epoch."""
        if self.best is not None:
            self.stage.network.load_state_dict(self.best["network"])
            with naming(self.trainee.spec.method, "load_state"):
                self.stage.method.load_state(self.best["method"])
            print(f"kept: epoch {self.best['epoch']}, pseudo Dice {self.best['average']:.4f}", flush=True)

    @torch.inference_mode()
    def _pseudo_dice(self) -> float:
        """Mean over the classes of all tasks of 2 TP / (2 TP + FP + FN), pooled over the patches."""
        self.stage.network.eval()
        found = [dice for task in self.trainee.spec.tasks for dice in self._dice_of(task) if dice is not None]
        return float(np.mean(found)) if found else 0.0

    def _dice_of(self, task: str) -> list[float | None]:
        network = self.stage.network
        own = network.channels(task)
        numbers = torch.arange(1, len(own) + 1, device=self.stage.device).view(-1, 1, 1, 1, 1, 1)
        both = sums = torch.zeros(len(own), dtype=torch.long, device=self.stage.device)
        for batch in self._batches(task):
            with torch.autocast("cuda", enabled=self.stage.device.type == "cuda"):
                logits = network.logits(task, network.features(batch.data, task)[:1])[0]
            predicted = own_labels(logits.argmax(1, keepdim=True), own) == numbers
            real = own_labels(batch.target[0].long(), own) == numbers
            both = both + (predicted & real).flatten(1).sum(1)
            sums = sums + predicted.flatten(1).sum(1) + real.flatten(1).sum(1)
        return [2 * b / s if s else None for b, s in zip(both.tolist(), sums.tolist(), strict=True)]

    @cached_property
    def _loader(self) -> PatchLoader:
        trainee = self.trainee
        library = CaseLibrary({task: trainee.prepared.tasks[task].preprocessed for task in trainee.spec.tasks})
        return plain_loader(library, trainee.parts(trainee.spec.tasks[0]))

    def _batches(self, task: str) -> Iterator[Batch]:
        trainee, batch = self.trainee, self.trainee.spec.batch
        deck = Deck({task: self.cases[task]}, [*trainee.stream(SELECT), self.stage.epoch])
        steps = max(math.ceil(SHARE * trainee.spec.iterations), math.ceil(len(self.cases[task]) / batch))
        for _ in range(steps):
            keys: tuple[Key, ...] = deck.draw(batch)
            yield self._loader.load(keys).in_classes(trainee.shift).to(trainee.device, trainee.memory_format)

    def state(self) -> dict[str, Any]:
        """What ``load_state`` needs to go on."""
        return {"average": self.average, "best": self.best}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` was taken."""
        self.average, self.best = state["average"], state["best"]
