"""Strided convolutions whose data gradient does not depend on the processor's caches.

oneDNN sums the data gradient of a strided convolution in an order that it chooses by the size of the L2 cache, so
two processors round differently. Here the gradient is composed of dense convolutions of stride 1, one per phase: the
inputs at one place modulo the stride. oneDNN has one order for these. The same products are summed, and as many.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

MAX_PLAIN_OUTPUTS = 32
"""Up to this many outputs oneDNN's order was the same for all L2 caches from 256 KB to 4 MB, so torch's is kept."""


@dataclass(frozen=True)
class Phase:
    """Along one axis, the inputs at one place modulo the stride.

    Attributes:
        first: index of the first of them.
        tap: index of the first tap, in the flipped kernel, that reaches them; the next is one stride further.
        taps: how many taps reach them.
        padding: zeros before and after the output's gradient; negative numbers cut it.
    """

    first: int
    tap: int
    taps: int
    padding: tuple[int, int]


def phases(size: int, outputs: int, kernel: int, stride: int, padding: int) -> list[Phase]:
    """The phases of one axis of a convolution, at most as many as the stride.

    Args:
        size: of the input.
        outputs: size of the output.
        kernel: its size.
        stride: of the convolution.
        padding: zeros on each side of the input.
    """
    return [_phase(first, size, outputs, kernel, stride, padding) for first in range(min(stride, size))]


def _phase(first: int, size: int, outputs: int, kernel: int, stride: int, padding: int) -> Phase:
    """Output ``last + j - m`` reads input ``first + j * stride`` through tap ``tap + m * stride``, for all m."""
    last, tap = divmod(first + padding, stride)
    taps = len(range(tap, kernel, stride))
    count = len(range(first, size, stride))
    return Phase(first, kernel - 1 - tap - (taps - 1) * stride, taps, (taps - 1 - last, last + count - outputs))


def data_gradient(
    gradient: torch.Tensor, like: torch.Tensor, weight: torch.Tensor, stride: Sequence[int], padding: Sequence[int]
) -> torch.Tensor:
    """The gradient of a 3-D convolution's input; the convolution has one group and no dilation.

    Args:
        gradient: of its output, ``(B, O, x, y, z)``.
        like: its input ``(B, I, X, Y, Z)``; the result has its shape and memory format.
        weight: ``(O, I, k, l, m)``.
        stride: per axis.
        padding: zeros on each side, per axis.
    """
    sizes = zip(like.shape[2:], gradient.shape[2:], weight.shape[2:], stride, padding, strict=True)
    flipped = weight.transpose(0, 1).flip(2, 3, 4)
    result = torch.empty_like(like)
    for phase in itertools.product(*(phases(*axis) for axis in sizes)):
        places = [slice(axis.first, None, step) for axis, step in zip(phase, stride, strict=True)]
        kernel = [slice(axis.tap, None, step) for axis, step in zip(phase, stride, strict=True)]
        reached = all(axis.taps for axis in phase)
        result[:, :, *places] = _dense(gradient, flipped[:, :, *kernel], phase) if reached else 0
    return result


def _dense(gradient: torch.Tensor, weight: torch.Tensor, phase: Sequence[Phase]) -> torch.Tensor:
    """One phase ``(B, I, ...)``.

    An axis with one tap is dilated, which changes nothing but torch's choice of library: oneDNN, where it would take
    MKL for a kernel of 1x1x1.
    """
    padded = F.pad(gradient, [side for axis in reversed(phase) for side in axis.padding])
    return F.conv3d(padded, weight, dilation=[2 if axis.taps == 1 else 1 for axis in phase])


class _StridedConvolution(torch.autograd.Function):
    """torch's convolution with ``data_gradient``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        data: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
    ) -> torch.Tensor:
        return F.conv3d(data, weight, bias, stride, padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        data, weight, _, ctx.stride, ctx.padding = inputs
        ctx.save_for_backward(data, weight)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        data, weight = ctx.saved_tensors
        of_data, of_weight, of_bias, *_ = ctx.needs_input_grad
        found = data_gradient(gradient, data, weight, ctx.stride, ctx.padding) if of_data else None
        _, weights, biases = torch.ops.aten.convolution_backward(
            gradient, data, weight, [len(weight)], ctx.stride, ctx.padding, [1, 1, 1], False, [0, 0, 0], 1,
            [False, of_weight, of_bias],
        )  # fmt: skip
        return found, weights, biases, None, None


class StridedConv3d(nn.Conv3d):
    """``nn.Conv3d`` with the same results and a data gradient that is the same on every x86-64 processor.

    For strides above 1, zero padding, one group and no dilation, on a CPU. Where the input needs no gradient it is
    ``nn.Conv3d`` in all respects.
    """

    def _conv_forward(self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        if not (torch.is_grad_enabled() and input.requires_grad):
            return super()._conv_forward(input, weight, bias)  # type: ignore[no-any-return]
        result: torch.Tensor = _StridedConvolution.apply(input, weight, bias, self.stride, self.padding)  # type: ignore[no-untyped-call]
        return result


def depends_on_caches(module: nn.Module) -> bool:
    """Whether a module is a convolution whose data gradient oneDNN may order by the L2 cache: strided and wide."""
    return (
        type(module) is nn.Conv3d
        and max(module.stride) > 1
        and module.out_channels > MAX_PLAIN_OUTPUTS
        and module.groups == max(module.dilation) == 1
        and module.padding_mode == "zeros"
    )


def make_portable(network: nn.Module) -> None:
    """Turn every convolution that ``depends_on_caches`` into a ``StridedConv3d``, in place; for CPUs only.

    A module stays the same object under all its names, with its parameters and hooks.
    """
    for module in network.modules():
        if depends_on_caches(module):
            module.__class__ = StridedConv3d
