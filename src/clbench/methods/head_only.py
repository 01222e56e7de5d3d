"""The frozen trunk: only the new head learns, so that nothing can be forgotten."""

from __future__ import annotations

from clbench.methods.base import Context, Method, Numbers


class HeadOnly(Method):
    """Frozen trunk: from stage 2 on only the new task's head is trained; forgetting is zero by construction."""

    scenarios = ("task-incremental",)

    def begin_stage(self, context: Context) -> None:
        """Freeze the trunk."""
        self._frozen = len(context.trunk)
        for parameter in context.trunk.values():
            parameter.requires_grad_(False)

    def effect(self) -> float:
        """1: the trunk doesn't move."""
        return 1.0

    def evidence(self) -> Numbers:
        """Tensors frozen."""
        return {"tensors_frozen": self._frozen}
