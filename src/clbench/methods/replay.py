"""Experience replay: a few cases of every earlier task take slots of the batch."""

from __future__ import annotations

from typing import Any

from clbench.methods.base import Numbers
from clbench.methods.rehearsal import Rehearsal
from clbench.network.batch import Key


class Replay(Rehearsal):
    """In-batch replay: some slots of each batch are filled from a memory of earlier tasks' cases.

    Each replayed patch goes through its own task's frozen head; the cost of a step stays what it was, and
    the new task is seen the less often.
    """

    neutral = {"share": 0.0}

    def __init__(self, *, cases: int = 4, share: float = 0.5) -> None:
        """Set how many cases of each earlier task are kept and which share of a batch they take."""
        super().__init__(cases)
        self.share = share
        self._replayed = 0
        self._steps = 0

    def draw(self, iteration: int, keys: tuple[Key, ...]) -> tuple[Key, ...]:
        """Replace slots, drawn anew for each batch, by cases of tasks drawn evenly."""
        self._steps += 1
        slots = self.context.rng.permutation(len(keys))[: round(self.share * len(keys))]
        replayed, batch = self.remembered(len(slots)), list(keys)
        for slot, key in zip(slots, replayed, strict=False):
            batch[slot] = key
        self._replayed += len(replayed)
        return tuple(batch)

    def state(self) -> dict[str, Any]:
        """The generator and the counts."""
        return {**super().state(), "replayed": self._replayed, "steps": self._steps}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on drawing and counting where ``state`` was taken."""
        super().load_state(state)
        self._replayed, self._steps = state["replayed"], state["steps"]

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
