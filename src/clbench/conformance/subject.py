"""What is examined: a method with its settings, in one scenario, and the trainings that show how it behaves."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from clbench.conformance.laboratory import Laboratory, Trained
from clbench.conformance.tiny import LENGTH
from clbench.conformance.verdict import NotReached
from clbench.definitions.models import Scenario, Variant
from clbench.definitions.signatures import Signature, read_signature
from clbench.job.assembly import assemble
from clbench.job.method import load_method, naming
from clbench.job.selection import Selection
from clbench.job.train import plain_state, save_resume
from clbench.job.trainee import Trainee
from clbench.methods.base import Method


@dataclass(frozen=True)
class Killed:
    """A stage that was killed after its first epoch.

    Attributes:
        trainee: the stage, in a folder where its state was written.
        state: the method's at that time, as it is read back.
    """

    trainee: Trainee
    state: dict[str, Any]

    @classmethod
    def of(cls, trainee: Trainee) -> Killed:
        """Train a stage's first epoch, in a folder of its own, and write what a resume needs."""
        stage, _, _ = assemble(trainee)
        stage.train_epoch()
        state = plain_state(trainee, stage, Selection(trainee, stage))
        save_resume(trainee.folder.path / "resume.pth", state)
        return cls(trainee, read_back(state["method"]))

    def state_again(self) -> dict[str, Any]:
        """The method's state after it was set up anew and took up what was written."""
        _, method, _ = assemble(self.trainee)
        with naming(self.trainee.spec.method, "load_state"):
            method.load_state(read_back(self.state))
        return read_back(method.state())

    def resumed(self, laboratory: Laboratory) -> Trained:
        """The stage gone on with, in a process that has drawn other random numbers since."""
        torch.rand(7)
        return Trained(self.trainee, laboratory.train(self.trainee))


@dataclass(frozen=True)
class Subject:
    """A method at a card's settings, in one scenario.

    Attributes:
        laboratory: where it is trained.
        variant: method and settings.
        scenario: one that it is defined for.
        length: tasks that it learns one after another, three at least.
    """

    laboratory: Laboratory
    variant: Variant
    scenario: Scenario
    length: int

    @property
    def whole(self) -> bool:
        """Whether it learns all tasks."""
        return self.length == LENGTH

    @cached_property
    def signature(self) -> Signature:
        """What its source file says of it."""
        return read_signature(self.variant.method_file)

    @cached_property
    def method(self) -> Method:
        """The method, not told of any stage."""
        with naming(self.variant.method, "__init__"):
            return load_method(self.variant.method_file, self.variant.settings)

    @cached_property
    def chain(self) -> list[Trained]:
        """Its stages."""
        return self.stages(self.variant, self.length)

    @cached_property
    def plain(self) -> list[Trained]:
        """Fine-tuning's stages."""
        return self.laboratory.finetune(self.scenario, self.length)

    @cached_property
    def neutral(self) -> list[Trained] | None:
        """Three stages at the settings that make it fine-tuning; None if it names none."""
        if self.method.neutral is None:
            return None
        settings = self.signature.complete({**self.variant.settings, **self.method.neutral})
        neutral = self.variant.model_copy(update={"name": f"{self.variant.name}, neutral", "settings": settings})
        return self.stages(neutral, 3)

    def stages(self, variant: Variant, length: int) -> list[Trained]:
        """The stages of a sequence of the first ``length`` tasks.

        Raises:
            NotReached: one of them failed when it was asked for before.
        """
        if variant.name in self._failed:
            raise NotReached(f"the training of {variant.name} failed, see above")
        self._failed.add(variant.name)
        chain = self.laboratory.chain(self.scenario, variant, length)
        self._failed.remove(variant.name)
        return chain

    @cached_property
    def _failed(self) -> set[str]:
        return set()

    @property
    def interruptible(self) -> list[Trained]:
        """The stages that are killed and resumed: the third, and the first if it is watched."""
        return [self.chain[0], self.chain[2]] if self.variant.watches_first_stage else [self.chain[2]]

    def killed(self, trained: Trained) -> Killed:
        """A stage, killed; once, whichever check asks."""
        if trained.trainee.job.id not in self._killed:
            self._killed[trained.trainee.job.id] = Killed.of(self.laboratory.afresh(trained))
        return self._killed[trained.trainee.job.id]

    @cached_property
    def _killed(self) -> dict[str, Killed]:
        return {}


def read_back(state: dict[str, Any]) -> dict[str, Any]:
    """What is left of a state after it was written and read without running code."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    read: dict[str, Any] = torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)
    return read


def difference(a: Any, b: Any, where: str = "") -> str | None:
    """The place of the first difference between two nests of tensors and plain values; None if there is none."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return None if a.dtype == b.dtype and torch.equal(a, b) else where
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys():
            return f"{where}{sorted(map(str, a.keys() ^ b.keys()))}"
        parts = ((a[key], b[key], f"{where}[{key!r}]") for key in a)
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple):
        if len(a) != len(b):
            return where
        parts = ((one, other, f"{where}[{i}]") for i, (one, other) in enumerate(zip(a, b, strict=True)))
    else:
        return None if a == b else where
    return next((found for one, other, place in parts if (found := difference(one, other, place)) is not None), None)
