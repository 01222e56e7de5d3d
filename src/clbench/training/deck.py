"""The order in which training cases come: tasks in turn, each case once before any comes again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clbench.network.batch import Key


class Deck:
    """A shuffled deck of cases per task and a shuffled deck of tasks.

    With one task this is nnU-Net's set of cases without replacement; with several it is a task-balanced
    sampler, however many cases each has.
    """

    def __init__(self, cases: Mapping[str, Sequence[str]], seed: Sequence[int]) -> None:
        """Shuffle by ``seed``; the global random state is neither read nor changed."""
        self._cases = {task: tuple(names) for task, names in cases.items()}
        self._rng = np.random.default_rng(list(seed))
        self._tasks: list[str] = []
        self._left: dict[str, list[str]] = {task: [] for task in self._cases}

    def draw(self, number: int) -> tuple[Key, ...]:
        """The next cases."""
        return tuple(self._next() for _ in range(number))

    def _next(self) -> Key:
        if not self._tasks:
            self._tasks = self._shuffled(tuple(self._cases))
        task = self._tasks.pop()
        if not self._left[task]:
            self._left[task] = self._shuffled(self._cases[task])
        return task, self._left[task].pop()

    def _shuffled(self, names: Sequence[str]) -> list[str]:
        return [names[i] for i in self._rng.permutation(len(names))]

    def state(self) -> dict[str, Any]:
        """What ``load_state`` needs to go on in the middle of the deck."""
        left = {task: list(names) for task, names in self._left.items()}
        return {"rng": self._rng.bit_generator.state, "tasks": list(self._tasks), "left": left}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` was taken."""
        self._rng.bit_generator.state = state["rng"]
        self._tasks = list(state["tasks"])
        self._left = {task: list(names) for task, names in state["left"].items()}
