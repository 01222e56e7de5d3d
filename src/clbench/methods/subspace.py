"""Where a convolution's inputs lie: columns sampled of them, and an orthonormal basis of most of their energy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from clbench.methods.base import Context

Layer = nn.Conv3d | nn.ConvTranspose3d


def shared_convolutions(context: Context) -> dict[str, Layer]:
    """By the name of its weight, every convolution that the tasks share, transposed ones included."""
    names: dict[torch.Tensor, str] = {parameter: name for name, parameter in context.trunk.items()}
    layers = (module for module in context.network.modules() if isinstance(module, nn.Conv3d | nn.ConvTranspose3d))
    return {names[layer.weight]: layer for layer in layers if layer.weight in names}


def as_rows(layer: Layer, tensor: torch.Tensor) -> torch.Tensor:
    """A weight, or a gradient of its shape, as ``(rows, d)``: what is multiplied with an input of d numbers."""
    flat = tensor.flatten(1)
    return flat.T if isinstance(layer, nn.ConvTranspose3d) else flat


def write_rows(layer: Layer, tensor: torch.Tensor, rows: torch.Tensor) -> None:
    """Overwrite a weight or a gradient by what ``as_rows`` would give."""
    tensor.copy_((rows.T if isinstance(layer, nn.ConvTranspose3d) else rows).reshape(tensor.shape))


def outside(rows: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
    """Rows ``(n, d)`` without their part in the span of a basis ``(d, r)``."""
    return rows - (rows @ basis) @ basis.T


def input_columns(layer: Layer, data: torch.Tensor, count: int, rng: np.random.Generator) -> torch.Tensor:
    """Inputs ``(count, d)`` that a layer's rows are multiplied with, at different places drawn evenly.

    A convolution's are the patches under its kernel, zero padding included; a transposed convolution's are the
    voxels themselves, each of which makes a block of outputs.

    Args:
        layer: with one group.
        data: its input ``(B, C, X, Y, Z)``.
        count: how many; fewer if there are fewer.
        rng: draws the places.
    """
    if isinstance(layer, nn.ConvTranspose3d):
        row, x, y, z = _places((len(data), *data.shape[2:]), count, rng)
        return data[row, :, x, y, z]
    padding = cast(tuple[int, ...], layer.padding)
    padded = F.pad(data, [side for p in reversed(padding) for side in (p, p)])
    reach = [d * (k - 1) + 1 for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    sizes = [(n - r) // s + 1 for n, r, s in zip(padded.shape[2:], reach, layer.stride, strict=True)]
    row, *corners = _places((len(data), *sizes), count, rng)
    x, y, z = (
        corner[:, None] * s + d * torch.arange(k)
        for corner, s, d, k in zip(corners, layer.stride, layer.dilation, layer.kernel_size, strict=True)
    )
    patches = padded[row[:, None, None, None], :, x[:, :, None, None], y[:, None, :, None], z[:, None, None, :]]
    return patches.movedim(-1, 1).flatten(1)


def _places(shape: tuple[int, ...], count: int, rng: np.random.Generator) -> list[torch.Tensor]:
    """Different places in an array, by axis."""
    total = int(np.prod(shape))
    drawn = rng.choice(total, min(count, total), replace=False, shuffle=False)
    return [torch.from_numpy(index) for index in np.unravel_index(drawn, shape)]


def columns_of_previous_task(context: Context, layers: Mapping[str, Layer], count: int) -> dict[str, torch.Tensor]:
    """Columns ``(about count, d)`` that come into each layer, from one plain patch of each of the task's cases."""
    task = context.previous_task
    each = -(-count // len(context.cases[task]))
    found: dict[str, list[torch.Tensor]] = {name: [] for name in layers}

    def collect(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        return lambda _, inputs: found[name].append(input_columns(layers[name], inputs[0], each, context.rng))

    hooks = [layer.register_forward_pre_hook(collect(name)) for name, layer in layers.items()]
    for case in context.cases[task]:
        batch = context.patches([(task, case)])
        context.network(batch.data, batch.tasks)
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(columns) for name, columns in found.items()}


def grown_basis(basis: torch.Tensor, columns: torch.Tensor, threshold: float) -> torch.Tensor:
    """The basis with the fewest directions more that hold this share of the columns' energy with those it has.

    Source: the basis update of GPM, Saha et al., ICLR 2021, arXiv 2103.09762, equations 8 and 9.

    Args:
        basis: orthonormal, ``(d, r)``.
        columns: ``(n, d)``.
        threshold: share of the sum of squares, 0 to 1; 0 adds nothing.
    """
    rest = outside(columns, basis)
    _, values, directions = torch.linalg.svd(rest, full_matrices=False)
    total, left = columns.square().sum(), rest.square().sum()
    held = torch.cat([(total - left).view(1), values.square()]).cumsum(0) / total
    needed = int((held < threshold).sum())
    return torch.linalg.qr(torch.cat([basis, directions[:needed].T], 1))[0] if needed else basis
