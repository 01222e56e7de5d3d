"""Digests of what a job made, array by array."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import torch

from clbench.results.arrays import SHORT


def array_digests(content: Any) -> dict[str, str]:
    """Name → digest of every tensor in nested dictionaries and lists; what they hold besides is passed over."""
    return {name: _digest(tensor) for name, tensor in _tensors(content, "")}


def _tensors(content: Any, name: str) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(content, torch.Tensor):
        yield name, content
    elif isinstance(content, dict | list | tuple):
        inner = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in inner:
            yield from _tensors(value, f"{name}.{key}" if name else str(key))


def _digest(tensor: torch.Tensor) -> str:
    plain = tensor.detach().cpu().contiguous()
    return hashlib.sha256(plain.flatten().view(torch.uint8).numpy().tobytes()).hexdigest()[:SHORT]
