"""The L2 anchor: every parameter is pulled back alike. The control that an importance method must beat."""

from __future__ import annotations

import torch

from clbench.methods.base import Context
from clbench.methods.quadratic import QuadraticPenalty


class L2(QuadraticPenalty):
    """L2 anchor: EWC with importance 1 everywhere, at the previous stage's weights (L2-SP of the trunk)."""

    neutral = {"strength": 0.0}

    def __init__(self, *, strength: float = 0.1) -> None:
        """Set the strength, defined as EWC's is under trace normalisation (mean importance 1)."""
        super().__init__(strength, "proximal")

    def begin_stage(self, context: Context) -> None:
        """Anchor the trunk with importance 1."""
        self.protect(context, {name: torch.ones_like(p) for name, p in context.trunk.items()})
