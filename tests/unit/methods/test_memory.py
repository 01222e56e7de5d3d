"""What a method holds besides the stage's network, and what is said where that is too much."""

from __future__ import annotations

import pytest
import torch

from clbench.conformance.finding import find_variant
from clbench.definitions.catalogue import Catalogue
from clbench.job.assembly import assemble
from clbench.job.memory import OutOfMemory, naming_memory, own_bytes


def second_stage(laboratory, baseline):
    chain = laboratory.chain("task-incremental", find_variant(baseline, Catalogue.open()), 2)
    return laboratory.afresh(chain[1])


@pytest.mark.parametrize(("baseline", "copies"), [("finetune", 0), ("replay", 0), ("l2", 2), ("ewc", 2), ("lwf", 1)])
def test_what_a_method_holds_is_counted_in_copies_of_the_trunk(laboratory, baseline, copies):
    stage, method, _ = assemble(second_stage(laboratory, baseline))
    trunk = 4 * sum(p.numel() for p in stage.network.trunk.parameters())
    assert sum(own_bytes(method, stage.network).values()) == pytest.approx(copies * trunk, rel=0.1, abs=1)


def test_lack_of_memory_while_a_stage_begins_is_not_blamed_on_the_methods_hook(laboratory, monkeypatch):
    trainee = second_stage(laboratory, "finetune")

    def begin_stage(self, context):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB")

    monkeypatch.setattr("clbench.methods.base.Method.begin_stage", begin_stage)
    with pytest.raises(OutOfMemory, match=r"beginning stage 2 with finetune: patch 16 x 16 x 16.*allocate 9.00 GiB"):
        laboratory.train(trainee)


def _too_much_for_torch():
    torch.empty(2**60, dtype=torch.uint8)


def _too_much_for_python():
    bytearray(2**62)


def _too_much_for_cuda():
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("ask", [_too_much_for_torch, _too_much_for_python, _too_much_for_cuda])
def test_lack_of_memory_in_evaluation_says_so_whoever_asked_for_it(laboratory, ask):
    trainee = second_stage(laboratory, "finetune")
    with pytest.raises(OutOfMemory, match="out of memory evaluating stage 2"), naming_memory(trainee, "evaluating"):
        ask()


def test_another_error_is_not_taken_for_lack_of_memory(laboratory):
    trainee = second_stage(laboratory, "finetune")
    with pytest.raises(RuntimeError, match="sizes differ"), naming_memory(trainee, "evaluating"):
        raise RuntimeError("sizes differ")
