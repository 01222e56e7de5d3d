"""What the methods share that keep a few cases of every earlier task and train on them again."""

from __future__ import annotations

from typing import Any

from clbench.methods.base import Context, Method
from clbench.network.batch import Key


class Rehearsal(Method):
    """Keeps cases of every earlier task, drawn evenly when its stage is over, for as long as the sequence lasts."""

    def __init__(self, cases: int) -> None:
        self.cases = cases

    def begin_stage(self, context: Context) -> None:
        """Keep the memory of earlier stages and draw this many cases of the previous task."""
        self.context = context
        kept: dict[str, list[str]] = dict(context.memory["cases"]) if context.memory else {}
        for task in context.earlier:
            if task not in kept:
                names = context.cases[task]
                chosen = context.rng.permutation(len(names))[: self.cases]
                kept[task] = [names[i] for i in sorted(chosen)]
        self._kept = kept
        self._memory: list[list[Key]] = [[(task, case) for case in names] for task, names in kept.items() if names]

    def remembered(self, number: int) -> list[Key]:
        """Cases of tasks drawn evenly, with replacement; none where nothing is kept."""
        rng, drawn = self.context.rng, []
        for _ in range(number if self._memory else 0):
            task = self._memory[rng.integers(len(self._memory))]
            drawn.append(task[rng.integers(len(task))])
        return drawn

    def end_stage(self) -> dict[str, Any]:
        """The names of the cases that are kept."""
        return {"cases": {task: list(names) for task, names in self._kept.items()}}

    def state(self) -> dict[str, Any]:
        """The generator."""
        return {**super().state(), "rng": self.context.rng.bit_generator.state}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on drawing where ``state`` was taken."""
        super().load_state(state)
        self.context.rng.bit_generator.state = state["rng"]

    def kept_cases(self) -> tuple[Key, ...]:
        """The memory."""
        return tuple(key for keys in self._memory for key in keys)
