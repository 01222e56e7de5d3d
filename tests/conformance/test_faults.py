"""One fault at a time in a method that keeps everything: the check for it fails, and names the method."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clbench.conformance.checks import CHECKS, acts_and_proves_it
from clbench.conformance.examine import REDUCED, held, name_of
from clbench.conformance.finding import find_variant
from clbench.conformance.subject import Subject
from clbench.conformance.tiny import LENGTH
from clbench.definitions.catalogue import Catalogue

SOUND = '''
from __future__ import annotations

import torch

from clbench.methods.base import Method


class Homing(Method):
    """Homing: after each step a part of the way, drawn anew, back to where the stage began."""

    watches_first_stage = True
    neutral = {"strength": 0.0}

    def __init__(self, *, strength: float = 0.1) -> None:
        self.strength = strength

    def begin_stage(self, context):
        self.context = context
        self.start = {name: p.detach().clone() for name, p in context.trunk.items()}
        self.counts = torch.zeros(3)
        self.moved = 0.0

    @torch.no_grad()
    def after_step(self, iteration, lr):
        self.counts += 1
        if not self.context.earlier:
            return
        share = self.strength * float(self.context.rng.random())
        for name, parameter in self.context.trunk.items():
            back = share * (self.start[name] - parameter)
            parameter += back
            self.moved += float(back.abs().sum())

    def end_stage(self):
        return {"start": self.start}

    def buffers(self, earlier):
        return 1.0

    def state(self):
        rng = self.context.rng.bit_generator.state
        return {**super().state(), "counts": self.counts, "moved": self.moved, "rng": rng}

    def load_state(self, state):
        super().load_state(state)
        self.counts.copy_(state["counts"])
        self.moved = state["moved"]
        self.context.rng.bit_generator.state = state["rng"]

    def effect(self):
        return self.moved if self.context.earlier else None
'''
EFFECT = "return self.moved if self.context.earlier else None"
END = 'return {"start": self.start}'
HEAD = "list(self.context.network.heads.values())[0][0].bias.add_(0.01)"
FAULTS = {
    "wrong-shaped state": (
        ('"counts": self.counts,', '"counts": self.counts[:2],'),
        "state survives a round trip", ", load_state: RuntimeError: The size of tensor a (3)",
    ),
    "state that is not plain": (
        ('"counts": self.counts,', '"counts": self.counts, "drawn": self.context.rng.random(2),'),
        "learns one two and many tasks", ", state: TypeError: returned ['drawn'] of type ndarray",
    ),
    "state that is taken up by halves": (
        ('self.moved = state["moved"]', "pass"),
        "state survives a round trip", ": stage 3: state['moved'] is another after load_state",
    ),
    "forgotten generator": (
        (', "rng": rng}', "}", 'self.context.rng.bit_generator.state = state["rng"]', "pass"),
        "killed stage resumes to the same bits", ": stage 3, resumed after its first epoch: ['network']",
    ),
    "evidence that is not a number": (
        (EFFECT, "return float('nan')"),
        "learns one two and many tasks", ", evidence: ValueError: effect: not a finite number",
    ),
    "effect of zero": (
        (EFFECT, "return 0.0"), "acts and proves it", ": its effect is 0 in every stage, yet it trains other weights",
    ),
    "effect that is not claimed": ((EFFECT, "return None"), "acts and proves it", ": it claims nothing, yet trains"),
    "effect that is always claimed": (
        (EFFECT, "return 1.0 if self.context.earlier else None"),
        "neutral settings are found inert", ": neutral settings, stage 2: its effect is 1.0, not 0",
    ),
    "effect without a change": (
        ("parameter += back", "pass"), "acts and proves it", "yet its weights are finetune's to the bit",
    ),
    "changed first stage": (
        ("if not self.context.earlier:", "if False:"),
        "first stage is plain training", ": the watched first stage differs from plain training in ['network']",
    ),
    "effect claimed in the first stage": (
        (EFFECT, "return self.moved"), "first stage is plain training", ": it claims an effect in its first stage",
    ),
    "neutral that is not": (
        ('neutral = {"strength": 0.0}', 'neutral = {"strength": 0.01}'),
        "neutral settings are finetuning", ": after three stages ['network']",
    ),
    "neutral with an unknown setting": (
        ('neutral = {"strength": 0.0}', 'neutral = {"strenght": 0.0}'),
        "signature is complete", ": neutral settings: strenght: homing has no such setting; did you mean 'strength'?",
    ),
    "no title": (
        ('"""Homing: after each step a part of the way, drawn anew, back to where the stage began."""', ""),
        "signature is complete", ": class of homing.py has no docstring",
    ),
    "touched head": (
        ("        share =", f"        {HEAD}\n        share ="),
        "what earlier tasks have to themselves is untouched",
        ": what stage 1 left changed later: ['head of']['liver']",
    ),
    "memory beyond what is declared": (
        (END, 'return {"start": self.start, "end": dict(self.context.trunk)}'),
        "memory is what is declared", ": stage 2: holds 2.00 buffers of the trunk's size, not 1",
    ),
    "memory that grows": (
        (END, 'return {"start": [self.start, *(self.context.memory or {}).get("start", [])]}'),
        "memory is what is declared", ": stage 2: holds 2.00 buffers of the trunk's size, not 1",
    ),
    "memory of a view's whole storage": (
        (END, 'return {"start": torch.zeros(10**6)[:10]}'),
        "memory is what is declared", " buffers of the trunk's size, not 1",
    ),
    "hook that raises": (
        ("self.counts += 1", 'self.counts["one"] += 1'),
        "learns one two and many tasks", ", after_step (homing.py:26): IndexError",
    ),
    "weight that is not finite": (
        (END, 'next(iter(self.context.trunk.values())).data.fill_(float("inf")); return {}'),
        "learns one two and many tasks", ": stage 1: ['network']",
    ),
}  # fmt: skip


pytestmark = pytest.mark.slow


def subject_of(laboratory, folder, source):
    """The method with this source, at its defaults."""
    file = folder / "suite" / "methods" / "homing.py"
    file.parent.mkdir(parents=True)
    file.write_text(source)
    variant = find_variant("homing", Catalogue.open((folder / "suite",)))
    return Subject(laboratory, variant, "task-incremental", REDUCED)


def test_the_method_that_the_faults_are_put_into_passes_every_check(laboratory, tmp_path):
    subject = subject_of(laboratory, tmp_path, SOUND)
    assert {"pass"} == {held(check, subject).outcome for check in CHECKS}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_the_check_for_it_with_a_reason_that_names_the_method(laboratory, tmp_path, fault):
    edits, expected, reason = FAULTS[fault]
    source = SOUND
    for old, new in zip(edits[::2], edits[1::2], strict=True):
        assert source.count(old) == 1
        source = source.replace(old, new)
    subject = subject_of(laboratory, tmp_path, source)
    verdict = held(next(check for check in CHECKS if name_of(check) == expected), subject)
    assert verdict.outcome == "FAIL"
    assert verdict.words.startswith("method homing")
    assert reason in verdict.words


@pytest.mark.parametrize(("length", "outcome"), [(REDUCED, "not claimed"), (LENGTH, "FAIL")])
def test_a_method_that_does_nothing_and_says_so_fails_on_all_tasks_alone(laboratory, tmp_path, length, outcome):
    inert = SOUND.replace("share = self.strength *", "share = 0 *")
    subject = replace(subject_of(laboratory, tmp_path, inert), length=length)
    verdict = held(acts_and_proves_it, subject)
    assert verdict.outcome == outcome
    assert "its effect is 0" in verdict.words


def test_checks_that_need_what_failed_are_not_reached_and_do_not_repeat_the_reason(laboratory, tmp_path):
    edits, failing, _ = FAULTS["hook that raises"]
    subject = subject_of(laboratory, tmp_path, SOUND.replace(*edits))
    verdicts = {name_of(check): held(check, subject) for check in CHECKS}
    assert verdicts[failing].outcome == "FAIL"
    later = verdicts["memory is what is declared"]
    assert (later.outcome, later.sound) == ("not reached", False)
    assert later.words.endswith("failed, see above")
