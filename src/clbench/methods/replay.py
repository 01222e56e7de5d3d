"""Experience replay: a few cases of every earlier task take slots of the batch."""

from __future__ import annotations

from typing import Any

from clbench.methods.base import Context, Method, Numbers
from clbench.network.batch import Key


class Replay(Method):
    """In-batch replay: some slots of each batch are filled from a memory of earlier tasks' cases.

    Each replayed patch goes through its own task's frozen head; the cost of a step stays what it was, and
    the new task is seen the less often.
    """

    neutral = {"share": 0.0}

    def __init__(self, *, cases: int = 4, share: float = 0.5) -> None:
        """Set how many cases of each earlier task are kept and which share of a batch they take."""
        self.cases, self.share = cases, share
        self._replayed = 0
        self._steps = 0

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

    def draw(self, iteration: int, keys: tuple[Key, ...]) -> tuple[Key, ...]:
        """Replace slots, drawn anew for each batch, by cases of tasks drawn evenly."""
        self._steps += 1
        slots = round(self.share * len(keys)) if self._memory else 0
        batch = list(keys)
        for slot in self.context.rng.permutation(len(keys))[:slots]:
            task = self._memory[self.context.rng.integers(len(self._memory))]
            batch[slot] = task[self.context.rng.integers(len(task))]
        self._replayed += slots
        return tuple(batch)

    def end_stage(self) -> dict[str, Any]:
        """The names of the cases that are kept."""
        return {"cases": {task: list(names) for task, names in self._kept.items()}}

    def state(self) -> dict[str, Any]:
        """The generator and the counts."""
        rng = self.context.rng.bit_generator.state
        return {**super().state(), "rng": rng, "replayed": self._replayed, "steps": self._steps}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on drawing where ``state`` was taken."""
        super().load_state(state)
        self.context.rng.bit_generator.state = state["rng"]
        self._replayed, self._steps = state["replayed"], state["steps"]

    def kept_cases(self) -> tuple[Key, ...]:
        """The memory."""
        return tuple(key for keys in self._memory for key in keys)

    def effect(self) -> float:
        """Share of the patches trained on that were replayed."""
        return self._replayed / max(1, self._steps * self.context.batch)

    def evidence(self) -> Numbers:
        """Cases kept and patches replayed, in all and per step."""
        return {
            **super().evidence(),
            "cases_kept": len(self.kept_cases()),
            "patches_replayed": self._replayed,
            "patches_replayed_per_step": self._replayed / max(1, self._steps),
        }
