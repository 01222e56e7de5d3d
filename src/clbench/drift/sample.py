"""Which voxels of a task are looked at: the same ones in every network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from clbench.nnunet.loader import CaseLibrary
from clbench.nnunet.prediction import pad_to_patch, tiles
from clbench.store import digest

CASES, TILES, VOXELS = 4, 4, 64
"""At most so many reported cases of a task, tiles of a case, and voxels of a tile in each layer."""


@dataclass(frozen=True)
class Tile:
    """A part of a case as the sliding window cuts it out.

    Attributes:
        image: ``(1, C, x, y, z)``, of the plan's patch size.
        seed: of what is drawn in it.
    """

    image: torch.Tensor
    seed: int

    def voxels(self, features: torch.Tensor, depth: int) -> torch.Tensor:
        """Features ``(n, F)`` of at most ``VOXELS`` voxels of a layer's output ``(1, F, x, y, z)``.

        Args:
            features: the output.
            depth: the layer's place in the network, since each has a grid of its own.
        """
        flat = features[0].flatten(1)
        picked = _drawn([self.seed, depth], flat.shape[1], VOXELS)
        return flat[:, torch.from_numpy(picked).to(flat.device)].T


def sampled(library: CaseLibrary, task: str, cases: Sequence[str], patch: Sequence[int]) -> Iterator[Tile]:
    """The tiles of a task, those that hold some of its foreground where there are any.

    Args:
        library: has the preprocessed cases.
        task: the task.
        cases: its reported cases.
        patch: the plan's patch size.
    """
    for place in _drawn([_seed(task)], len(cases), CASES):
        data, seg, _, _ = library.load_case((task, cases[place]))
        image, _ = pad_to_patch(torch.from_numpy(np.asarray(data[:])), patch)
        label, _ = pad_to_patch(torch.from_numpy(np.asarray(seg[:])), patch)
        everywhere = tiles(image.shape[1:], patch)
        found = [where for where in everywhere if (label[0][where] > 0).any()] or everywhere
        seed = _seed(task, cases[place])
        for number in _drawn([seed], len(found), TILES):
            yield Tile(image[(slice(None), *found[number])][None], seed + int(number))


def _drawn(seed: Sequence[int], count: int, most: int) -> np.ndarray:
    """At most ``most`` of ``count`` places, in their order."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:most])


def _seed(*words: str) -> int:
    return int(digest(words)[:12], 16)
