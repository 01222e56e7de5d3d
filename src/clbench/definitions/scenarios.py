"""What a stage adds, and which heads go with it (van de Ven et al., Nature Machine Intelligence 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clbench.definitions.sections import Evaluation, NewHead

Scenario = Literal["task-incremental", "domain-incremental", "class-incremental"]


@dataclass(frozen=True)
class Rules:
    """What a scenario means and allows; the first of several is its default.

    Attributes:
        words: what the network's output is.
        new_stage: how a new stage's head may begin.
        evaluate_with: the head that a task may be evaluated with.
    """

    words: str
    new_stage: tuple[NewHead, ...]
    evaluate_with: tuple[Evaluation, ...]


SCENARIOS: dict[Scenario, Rules] = {
    "task-incremental": Rules("a head per task", ("reinit", "copy-last"), ("own", "last")),
    "domain-incremental": Rules("one head for all tasks", ("shared",), ("last",)),
    "class-incremental": Rules("one softmax that grows by each task's classes", ("grow",), ("last",)),
}
