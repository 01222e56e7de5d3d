"""A run with methods that return what can't be used: each is named with its hook, and the rest of the run is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

METHOD = '''
from pathlib import Path

import numpy
import torch

from clbench.methods.base import Method


class Faulty(Method):
    """Faulty: one hook is wrong."""

    def begin_stage(self, context):
        self.counts = torch.zeros(3)

    {hook}
'''
HUNGRY = '''def after_backward(self, iteration, lr):
        self.bases = {{"a": torch.zeros(2**18)}}
        raise torch.OutOfMemoryError({said!r})
'''
SAID = ("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB of which 1.00 GiB is "
        "free. If reserved but unallocated memory is large try setting PYTORCH_ALLOC_CONF")
KILLED = '''
    def after_step(self, iteration, lr):
        if iteration == 2 and not Path({marker!r}).exists():
            Path({marker!r}).touch()
            raise KeyboardInterrupt

    def state(self):
        return {{**super().state(), "counts": torch.zeros(2)}}

    def load_state(self, state):
        self.counts.copy_(state["counts"])
'''
HOOKS = {
    "not-finite": ('def evidence(self):\n        return {"ratio": float("nan"), "count": 1}',
                   "method not_finite, evidence: ValueError: ratio: not a finite number"),
    "not-plain": ('def state(self):\n        return {"draws": [numpy.zeros(2)]}',
                  "method not_plain, state: TypeError: returned ['draws'][0] of type ndarray"),
    "no-memory": ("def end_stage(self):\n        return {\"teacher\": self}",
                  "method no_memory, end_stage: TypeError: returned ['teacher'] of type Faulty"),
}  # fmt: skip
BENCHMARK = """
name: faulty
version: 1
title: Methods with a fault each
extends: small
sequence: [mini-liver, mini-spleen]
protocols:
  continual: {baselines: [finetune, not-finite, not-plain, no-memory, wrong-shape, hungry]}
"""


@pytest.fixture
def suite(tmp_path: Path, small_suite: Path) -> Path:
    """A suite with methods that have a fault each, and a benchmark of them beside plain fine-tuning."""
    folder = tmp_path / "suite"
    hooks = {name: hook for name, (hook, _) in HOOKS.items()}
    hooks["hungry"] = HUNGRY.format(said=SAID)
    hooks["wrong-shape"] = KILLED.format(marker=str(tmp_path / "killed")).strip()
    for name, hook in hooks.items():
        method = name.replace("-", "_")
        _write(folder / "methods" / f"{method}.py", METHOD.format(hook=hook))
        _write(folder / "baselines" / f"{name}.yaml", f"name: {name}\nversion: 1\ntitle: {name}\nmethod: {method}\n")
    _write(folder / "benchmark" / "faulty.yaml", BENCHMARK)
    return folder


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_a_method_that_fails_is_named_with_its_hook_and_lack_of_memory_with_what_to_lower(
    program: Any, suite: Path, small_suite: Path
) -> None:
    words = ("run", "faulty", "--suite", suite, "--suite", small_suite, "--trust")

    first = program(*words)
    again = program(*words)

    assert (first.code, again.code) == (3, 3)
    for _, message in HOOKS.values():
        assert message in first.err
    assert (
        "out of memory training stage 2 with hungry: patch 16 x 16 x 16, batch 2, features 4, 8, 8; the method "
        "holds besides: counts 0.0 MiB, bases 1.0 MiB; the error says: CUDA out of memory. Tried to allocate 2.00 "
        "GiB. GPU 0 has a total capacity of 7.79 GiB of which 1.00 GiB is free; lower backbone.patch, budget.batch "
        "or backbone.features"
    ) in first.err
    assert "method wrong_shape, load_state: RuntimeError: The size of tensor a (3) must match" in again.err
    report = (program.folder / "reports" / "faulty" / "report.md").read_text()
    assert "finetune" in report
