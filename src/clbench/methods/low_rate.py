"""Fine-tuning at a lower learning rate from stage 2 on."""

from __future__ import annotations

from clbench.methods.base import Context, Method, Numbers


class LowRate(Method):
    """Fine-tuning with the learning rate of stages after the first multiplied by a factor.

    Restarting at the full rate is a cause of forgetting of its own; fcdl94/MiB trains its first step at 1e-2
    and all later ones at 1e-3.
    """

    neutral = {"factor": 1.0}

    def __init__(self, *, factor: float = 0.1) -> None:
        """Set the factor; 1 is fine-tuning."""
        self.factor = factor

    def begin_stage(self, context: Context) -> None:
        """Note the rate that the stage starts at."""
        self._lr = context.lr * self.factor

    def rate(self, iteration: int) -> float:
        """The factor."""
        return self.factor

    def effect(self) -> float:
        """How far the rate is from the plain one."""
        return abs(1 - self.factor)

    def evidence(self) -> Numbers:
        """The rate that the stage started at."""
        return {"initial_rate": self._lr}
