"""A suite with one of each kind that clbench does not ship, and a benchmark that uses them: seconds to run."""

from __future__ import annotations

from pathlib import Path

SPLEEN = Path(__file__).parents[1] / "tasks" / "mini-spleen.yaml"
DEFINITION = """
name: own
version: 3
title: Two epochs of two steps, a task and a method of one's own
extends: ci
scenario: task-incremental
sequence: [my-spleen, mini-liver]
backbone: {configuration: 3d_fullres, spacing: [12, 12, 12], patch: [16, 16, 16], features: [4, 8, 8], mirror: false}
budget: {epochs: 2, batch: 2}
sample: {train: 4, val: 1, seed: 0}
protocols: {continual: {baselines: [finetune, mine]}}
seeds: [7]
"""
METHOD = '''
"""A method of the user's own."""
from clbench.methods.base import Method


class Mine(Method):
    """Shrinks the gradient of the second task."""

    def __init__(self, *, strength: float = 1.0) -> None:
        """Take a strength."""
        self.strength = strength

    def begin_stage(self, context):
        """Keep the trunk."""
        self._trunk = context.trunk

    def after_backward(self, iteration, lr):
        """The stronger, the less is left of it."""
        for parameter in self._trunk.values():
            if parameter.grad is not None:
                parameter.grad.mul_(0.1 / self.strength)

    def effect(self):
        """It always acts."""
        return 1.0
'''
CARD = "name: mine\nversion: 1\ntitle: My own\nmethod: mine\nsettings: {strength: 2.0}\n"


def write_own_suite(folder: Path) -> Path:
    """Write the suite into a folder, and return it."""
    files = {
        "benchmark/own.yaml": DEFINITION, "methods/mine.py": METHOD, "baselines/mine.yaml": CARD,
        "tasks/my-spleen.yaml": SPLEEN.read_text().replace("name: mini-spleen", "name: my-spleen"),
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder
