"""A method to go on from, with a baseline that uses it."""

from __future__ import annotations

import re
from pathlib import Path

from clbench.errors import ClbenchError
from clbench.scaffold.suite import Suite

METHOD = '''\
"""A pull towards the previous stage's weights, to be replaced by what you want to try."""

from __future__ import annotations

import torch

from clbench.methods.base import Context, Method


class {name}(Method):
    """A pull of every shared weight towards where the previous stage left it."""

    neutral = {{"strength": 0.0}}  # settings that make it fine-tuning to the bit; `clbench test-method` checks

    def __init__(self, *, strength: float = 0.01) -> None:
        """Take the settings: keywords, each with an annotation and a literal default; a baseline's card sets them."""
        self.strength = strength

    def begin_stage(self, context: Context) -> None:
        """Look at the previous stage, from the second stage on.

        ``context.trunk`` holds the shared parameters by name, ``context.memory`` what ``end_stage`` of the previous
        stage returned, ``context.rng`` the only random numbers to use.
        """
        self.context = context
        self._anchor = {{name: p.detach().clone() for name, p in context.trunk.items()}}

    @torch.no_grad()
    def after_backward(self, iteration: int, lr: float) -> None:
        """Change the gradients before they are clipped; other hooks are ``loss``, ``after_step`` and ``draw``."""
        pull, task = 0.0, 0.0
        for name, parameter in self.context.trunk.items():
            if parameter.grad is not None:
                distance = self.strength * (parameter - self._anchor[name])
                pull, task = pull + float(distance.square().sum()), task + float(parameter.grad.square().sum())
                parameter.grad += distance
        if moment := self.context.moment(iteration):
            self.note(moment, pull=(pull / max(task, 1e-30)) ** 0.5)

    # To remember something: return tensors from `end_stage`, say in `buffers` how much that is, and find them in
    # `context.recalled` of the next stage (docs/methods.md has a worked example).

    def effect(self) -> float | None:
        """How much it did, here relative to the task's gradient; 0 stamps the baseline INERT in every table."""
        return self.largest("pull")
'''
BASELINE = """\
# clbench show {name}
name: {name}
version: 1                       # raise it whenever results would change
title: {title}
method: {method}
settings: {{strength: 0.01}}
"""


def write_method(suite: Suite, name: str) -> list[Path]:
    """Write a method that passes ``clbench test-method``, and a baseline that uses it.

    Args:
        suite: where it is written.
        name: of the baseline; the method has underscores in place of ``-`` and ``.``.

    Raises:
        ClbenchError: the name is taken, or can't be a Python module's.
    """
    module = re.sub("[-.]", "_", name)
    if not module.isidentifier():
        raise ClbenchError(f"{name!r} can't name a method: a Python file's name begins with a letter")
    card, file = suite.new_file("baseline", name), suite.new_file("method", module)
    words = "".join(word.capitalize() for word in module.split("_"))
    title = f"{name}, the method as it was begun"
    suite.write({file: METHOD.format(name=words), card: BASELINE.format(name=name, title=title, method=module)})
    return [file, card]
