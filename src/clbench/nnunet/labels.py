"""Label files in their source's numbers, and the numbers that a network learns in their place.

Maps are worked on layer by layer: copies of a whole one in a wider type are what makes large cases large.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clbench.errors import ClbenchError

LARGEST = 65535
"""nnU-Net writes label maps with 16 bits at most."""


class BadLabels(ClbenchError):
    """A label map holds what no scheme can number."""


@dataclass(frozen=True)
class LabelScheme:
    """How a task's original label numbers become the network's.

    Attributes:
        labels: label → the original numbers that it collects; its place, from 1, is the network's number.
        originals: name → number of everything the source's files may hold beside background 0.
    """

    labels: Mapping[str, tuple[int, ...]]
    originals: Mapping[str, int]

    @cached_property
    def _network_of(self) -> np.ndarray:
        table = np.zeros(max(self.originals.values()) + 1, dtype=np.int16)
        for number, collected in enumerate(self.labels.values(), start=1):
            table[list(collected)] = number
        return table

    def in_network_numbers(self, label: np.ndarray) -> np.ndarray:
        """The label map with 1, 2, … in the order of ``labels`` and 0 for what none of them collects.

        Args:
            label: ``(1, X, Y, Z)``, what ``whole_numbers`` gave and ``require_known`` let pass.

        Returns:
            int16, of the same shape.
        """
        mapped = np.empty(label.shape, dtype=np.int16)
        for index, layer in enumerate(label[0]):
            mapped[0, index] = self._network_of[layer]
        return mapped

    def require_known(self, present: tuple[int, ...]) -> None:
        """Refuse numbers that the scheme does not name.

        Raises:
            BadLabels: there are such numbers.
        """
        if strange := [number for number in present if number and number not in self.originals.values()]:
            known = ", ".join(f"{name} {number}" for name, number in self.originals.items())
            raise BadLabels(f"has {_numbers(strange)}; original_labels knows background 0, {known}")


def _numbers(values: list[int]) -> str:
    shown = ", ".join(map(str, values[:5])) + (" …" if len(values) > 5 else "")
    return f"label {shown}" if len(values) == 1 else f"labels {shown}"


def whole_numbers(label: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """A label map as integers, and the numbers that occur in it.

    Args:
        label: ``(1, X, Y, Z)`` of any real type; label files written as floating point are fine as long as they
            hold whole numbers.

    Returns:
        int16, or int32 where a number asks for it, of the same shape; the numbers, ascending.

    Raises:
        BadLabels: a value is no whole number from 0 to 65535.
    """
    high = label.max()
    whole = np.empty(label.shape, dtype=np.int16 if high <= np.iinfo(np.int16).max else np.int32)
    counts = np.zeros(1, dtype=np.int64)
    for index, layer in enumerate(label[0]):
        numbers = _whole(layer)
        whole[0, index] = numbers
        more = np.bincount(numbers.ravel(), minlength=len(counts))
        more[: len(counts)] += counts
        counts = more
    return whole, tuple(int(number) for number in np.flatnonzero(counts))


def _whole(layer: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        numbers = layer.astype(np.int32)
    wrong = (numbers != layer) | (numbers < 0) | (numbers > LARGEST)
    if wrong.any():
        raise BadLabels(f"has the value {layer[wrong][0]:g}; labels are whole numbers from 0 to {LARGEST}")
    return numbers
