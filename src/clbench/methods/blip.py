"""BLIP: bit-level information preserving (Shi et al., CVPR 2021, arXiv 2105.04444; code Yujun-Shi/BLIP)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn

from clbench.methods.base import Context, Method, Numbers
from clbench.methods.fisher import Importance, estimate_fisher

BOX = 1 - 2.0**-20
TRANSPOSED = ".transpconvs."


def information_gain(fisher: torch.Tensor, old: torch.Tensor | float, tasks: int) -> torch.Tensor:
    """Bits gained by a task: ``0.5 log2((F + n F_old) / ((n + 1) F_old))``, ``n`` tasks counted before it.

    Args:
        fisher: F of the task just learnt.
        old: running mean of the Fishers before it, at first the prior.
        tasks: n, 1 after the first task.
    """
    return 0.5 * torch.log2((fisher + tasks * old) / ((tasks + 1) * old))


def grown_bits(bits: torch.Tensor, gain: torch.Tensor, most: int) -> torch.Tensor:
    """Bits after a gain, rounded up, never fewer than before and at most ``most``."""
    return (bits + gain.ceil().clamp(min=0)).clamp(max=most)


def quantized(weight: torch.Tensor, bits: torch.Tensor, bound: float, zero_bit: str) -> torch.Tensor:
    """Round to a grid of ``bound * 2^-bits``; at 0 bits the weight is kept, or set to 0 as the paper's code does."""
    step = bound * torch.exp2(-bits)
    rounded = torch.round(weight / step) * step
    return torch.where(bits > 0, rounded, weight if zero_bit == "keep" else torch.zeros_like(weight))


def fan_in(name: str, parameter: torch.Tensor) -> int:
    """Inputs of one output: ``in * kernel`` of a convolution, transposed or anisotropic too; 1 of a vector."""
    if parameter.ndim < 2:
        return 1
    inputs = parameter.shape[0] if TRANSPOSED in name else parameter.shape[1]
    return int(inputs * math.prod(parameter.shape[2:]))


def nominal_bound(name: str, parameter: torch.Tensor) -> float:
    """The paper's ``6 / sqrt(fan_in)``, 1 for vectors; raised to the largest weight, which it must contain."""
    paper = 6 / math.sqrt(fan_in(name, parameter)) if parameter.ndim > 1 else 1.0
    return max(paper, float(parameter.detach().abs().max()) / BOX)


class BLIP(Method):
    """BLIP: each weight's important leading bits are frozen, as many as the finished tasks' Fisher earns."""

    neutral = {"target_bits": 0.0}

    def __init__(
        self,
        *,
        target_bits: float = 4.0,
        max_bits: int = 20,
        samples: int = 4,
        strict: bool = False,
        zero_bit: Literal["keep", "zero"] = "keep",
        wall: Literal["plain", "stop"] = "plain",
        prior: float | None = None,
        protect: Literal["all", "convolutions"] = "all",
        fisher_unit: Literal["voxel", "mean-loss"] = "voxel",
    ) -> None:
        """Set the strength and the variant.

        Args:
            target_bits: mean bits after the first task, which chooses the Fisher prior; 0 freezes nothing,
                whatever else is set.
            max_bits: most bits a weight can have.
            samples: label draws per patch for the Fisher.
            strict: half the interval, so that the frozen bits really never change; the paper's own lets the
                last one move by one step per task.
            zero_bit: what happens to weights without bits when they are quantised.
            wall: ``plain`` clamps the weight alone, as the paper's code does, whose SGD has neither momentum nor
                weight decay; ``stop`` also makes a clamped weight's velocity 0 and lets the protected weights
                decay no more, so that nothing but the task's gradient moves them.
            prior: the Fisher prior of a weight with one input, a constant in place of the one that
                ``target_bits`` chooses: the public codes' ``F_prior``, 1e-15 to 5e-17 in the paper's, 1e-18 in
                the nnU-Net v1 fork ZetongZhangZ/nnUNet_Continual.
            protect: ``convolutions`` leaves out transposed convolutions and norm layers, as that fork does, and
                the biases, which no output depends on where an instance norm follows.
            fisher_unit: of one voxel, F_sum / V; ``mean-loss`` is the square of the gradient of the loss's mean
                over voxels, F_sum / V^2, the unit of the fork's ``F_prior``.
        """
        self.target_bits, self.max_bits, self.samples = target_bits, max_bits, samples
        self.strict, self.zero_bit, self.wall = strict, zero_bit, wall
        self.prior, self.protect, self.fisher_unit = prior, protect, fisher_unit

    @torch.no_grad()
    def begin_stage(self, context: Context) -> None:
        """Give bits for the previous task, quantise the trunk and lay the intervals."""
        self.context = context
        self._protected = {name: p for name, p in context.trunk.items() if self._protects(name, p)}
        self._remember(self._estimate(context), context)
        self._low, self._high = [], []
        for name, parameter in self._protected.items():
            bound, bits = self._bounds[name], self._bits[name]
            if self.target_bits > 0:
                parameter.copy_(quantized(parameter, bits, bound, self.zero_bit))
            half = bound * torch.exp2(-bits) * (0.5 if self.strict else 1.0)
            half = half if self.target_bits > 0 else torch.full_like(half, math.inf)
            box = bound * BOX if self.target_bits > 0 else math.inf
            self._low.append((parameter - half).clamp(min=-box))
            self._high.append((parameter + half).clamp(max=box))
        self._parameters = list(self._protected.values())

    def _protects(self, name: str, parameter: nn.Parameter) -> bool:
        return self.protect == "all" or (parameter.ndim > 1 and TRANSPOSED not in name)

    def _estimate(self, context: Context) -> Importance:
        with torch.enable_grad():
            estimate = estimate_fisher(context, self.samples)
        voxels = estimate.voxels if self.fisher_unit == "mean-loss" else 1
        return {name: estimate.diagonal[name] / voxels for name in self._protected}

    def begin_training(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep the velocities in reach; where walls stop the weights, these decay no more."""
        self._optimizer = optimizer
        if self._stops:
            end_decay(optimizer, self._parameters)

    @property
    def _stops(self) -> bool:
        return self.wall == "stop" and self.target_bits > 0

    def _remember(self, fisher: Importance, context: Context) -> None:
        """Bits, running Fisher and bounds after the previous task."""
        memory, fans = context.memory or {}, {name: fan_in(name, p) for name, p in self._protected.items()}
        tasks: int = memory.get("tasks", 0)
        prior = self.prior or memory.get("prior")
        self._prior: float = prior or prior_for(fisher, fans, self.target_bits, self.max_bits)
        bounds = {name: nominal_bound(name, p) for name, p in self._protected.items()}
        self._bounds: dict[str, float] = bounds | memory.get("bounds", {})
        bits = {name: torch.zeros_like(f) for name, f in fisher.items()}
        old = {name: torch.full_like(f, self._prior * fans[name]) for name, f in fisher.items()}
        bits |= {name: b.to(fisher[name]) for name, b in memory.get("bits", {}).items()}
        old |= {name: f.to(fisher[name]) for name, f in memory.get("fisher", {}).items()}
        gains = {name: information_gain(f, old[name], tasks + 1) for name, f in fisher.items()}
        self._bits = {name: grown_bits(bits[name], gains[name], self.max_bits) for name in fisher}
        self._fisher = {name: ((tasks + 1) * old[name] + f) / (tasks + 2) for name, f in fisher.items()}
        self._tasks = tasks + 1

    @torch.no_grad()
    def after_step(self, iteration: int, lr: float) -> None:
        """Clamp every weight to its interval; where walls stop it, its velocity is 0 then."""
        moment = self.context.moment(iteration)
        if moment is not None or self._stops:
            walls = zip(self._parameters, self._low, self._high, strict=True)
            outside = [(p < low) | (p > high) for p, low, high in walls]
            if moment is not None:
                clamped = sum(int(one.sum()) for one in outside)
                self.note(moment, clamped_share=clamped / sum(p.numel() for p in self._parameters))
            if self._stops:
                self._stop(outside)
        torch._foreach_maximum_(self._parameters, self._low)
        torch._foreach_minimum_(self._parameters, self._high)

    def _stop(self, outside: list[torch.Tensor]) -> None:
        """Make velocities 0; before the first step, and without momentum, there is none."""
        for parameter, where in zip(self._parameters, outside, strict=True):
            velocity = self._optimizer.state.get(parameter, {}).get("momentum_buffer")
            if velocity is not None:
                velocity.masked_fill_(where, 0)

    def end_stage(self) -> dict[str, Any]:
        """Bits, running Fisher, bounds and the number of tasks: constant in the number of tasks."""
        return {
            "bits": {name: b.to(torch.int8).cpu() for name, b in self._bits.items()},
            "fisher": {name: f.cpu() for name, f in self._fisher.items()},
            "bounds": dict(self._bounds),
            "prior": self._prior,
            "tasks": self._tasks,
        }

    def buffers(self, earlier: int) -> float:
        """The running Fisher, and a byte a weight for its bits; less where not all weights are protected."""
        return 1.25

    def effect(self) -> float:
        """Largest share of weights that a step pushed out of their interval."""
        return self.largest("clamped_share")

    def evidence(self) -> Numbers:
        """Histogram and mean of the bits, share of clamped weights, tensors protected."""
        bits = torch.cat([b.flatten() for b in self._bits.values()])
        histogram = torch.bincount(bits.long(), minlength=self.max_bits + 1)
        return {
            **super().evidence(),
            "mean_bits": float(bits.mean()),
            "bits_histogram": [int(n) for n in histogram],
            "tensors_protected": len(self._bits),
            "tensors_expected": len(self.context.trunk),
        }


def prior_for(fisher: Importance, fans: dict[str, int], target: float, most: int) -> float:
    """The Fisher prior under which the first task earns ``target`` bits on average.

    The prior of a layer is this value times its fan-in. Mean bits fall as the prior rises, so it is found by
    bisection of its logarithm; bits are whole numbers, so the target is met as nearly as they allow.
    """
    low, high = -60.0, 20.0
    count = sum(f.numel() for f in fisher.values())
    for _ in range(60):
        middle = (low + high) / 2
        gains = (information_gain(f, 10.0**middle * fans[name], 1) for name, f in fisher.items())
        mean = sum(float(gain.ceil().clamp(0, most).sum()) for gain in gains) / count
        low, high = (middle, high) if mean > target else (low, middle)
    return float(10.0**high)


def end_decay(optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter]) -> None:
    """Move parameters to a group of their own, without weight decay."""
    moved = {id(p) for p in parameters}
    for group in optimizer.param_groups:
        group["params"] = [p for p in group["params"] if id(p) not in moved]
    optimizer.add_param_group({"params": list(parameters), "weight_decay": 0.0})
