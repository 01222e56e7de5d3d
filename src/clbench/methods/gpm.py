"""Gradient projection memory (Saha et al., ICLR 2021, arXiv 2103.09762; code sahagobinda/GPM) for convolutions."""

from __future__ import annotations

import math
from typing import Any

import torch

from clbench.methods.base import Context, Method, Numbers
from clbench.methods.subspace import (
    as_rows,
    columns_of_previous_task,
    grown_basis,
    outside,
    shared_convolutions,
    write_rows,
)


class GPM(Method):
    """GPM: shared convolutions move only where earlier tasks' inputs are not, so that they answer those as before.

    Gradients lose their part in the span of the inputs' basis before clipping; after the step the weights'
    part in it is set back to what it was when the stage began, whatever momentum and weight decay did. All
    other shared parameters, biases and norm layers, are frozen.
    """

    neutral = {"threshold": 0.0}

    def __init__(self, *, threshold: float = 0.97, columns: int = 1000) -> None:
        """Set the share of the inputs' energy that is protected, and how many inputs of a layer are looked at."""
        self.threshold, self.columns = threshold, columns

    @torch.no_grad()
    def begin_stage(self, context: Context) -> None:
        """Add the previous task's inputs to the bases, keep the weights' part in them, freeze the rest."""
        self.context = context
        self._layers = shared_convolutions(context)
        known = (context.memory or {}).get("bases", {})
        columns = columns_of_previous_task(context, self._layers, self.columns)
        self._bases = {
            name: grown_basis(known[name].to(c) if name in known else c.new_zeros(c.shape[1], 0), c, self.threshold)
            for name, c in columns.items()
        }
        self._held = {name: self._rows(name) @ basis for name, basis in self._bases.items()}
        others = [p for name, p in context.trunk.items() if name not in self._layers]
        self._frozen = others if self.threshold > 0 else []
        for parameter in self._frozen:
            parameter.requires_grad_(False)

    def _rows(self, name: str) -> torch.Tensor:
        return as_rows(self._layers[name], self._layers[name].weight)

    @torch.no_grad()
    def after_backward(self, iteration: int, lr: float) -> None:
        """Project the gradients; take evidence at the end of the first, middle and last epoch."""
        before = after = 0.0
        moment = self.context.moment(iteration)
        for name, layer in self._layers.items():
            gradient = layer.weight.grad
            if gradient is None:
                continue
            rows = as_rows(layer, gradient)
            allowed = outside(rows, self._bases[name])
            if moment is not None:
                before, after = before + float(rows.square().sum()), after + float((rows - allowed).square().sum())
            write_rows(layer, gradient, allowed)
        if moment is not None:
            self.note(moment, removed=math.sqrt(after / max(before, 1e-30)))

    @torch.no_grad()
    def after_step(self, iteration: int, lr: float) -> None:
        """Set the weights' part in the bases back."""
        for name, layer in self._layers.items():
            basis, rows = self._bases[name], self._rows(name)
            write_rows(layer, layer.weight, rows - (rows @ basis - self._held[name]) @ basis.T)

    def end_stage(self) -> dict[str, Any]:
        """The bases."""
        return {"bases": {name: basis.cpu() for name, basis in self._bases.items()}}

    def buffers(self, earlier: int) -> float:
        """As large as the data needed: the bases of the stage that has begun."""
        return sum(b.numel() for b in self._bases.values()) / sum(p.numel() for p in self.context.trunk.values())

    def effect(self) -> float:
        """Largest share of the gradient's length that was projected away, of the moments looked at."""
        return self.largest("removed")

    def evidence(self) -> Numbers:
        """Share of all input directions that is taken, and of the fullest layer's; how much is protected."""
        taken = {name: basis.shape[1] / basis.shape[0] for name, basis in self._bases.items()}
        directions = sum(basis.shape[0] for basis in self._bases.values())
        return {
            **super().evidence(),
            "directions_taken": sum(basis.shape[1] for basis in self._bases.values()) / directions,
            "directions_taken_most": max(taken.values()),
            "tensors_protected": len(self._layers) + len(self._frozen),
            "tensors_expected": len(self.context.trunk),
        }
