"""The properties that nnU-Net pickles beside a preprocessed case, read without running code from the file."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

ALLOWED = {
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}
"""What arrays and numbers of numpy are made by; nothing else has a name in these files."""


class _PlainUnpickler(pickle.Unpickler):
    """Makes plain values and numpy's, and refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which could run code")
        return super().find_class(module, name)


def read_properties(file: Path) -> dict[str, Any]:
    """A case's properties: spacing, shape, crop, and where which label is.

    Raises:
        pickle.UnpicklingError: it holds something else than plain values and numpy's.
        OSError, EOFError: it is missing or cut short.
    """
    with open(file, "rb") as stream:
        properties: dict[str, Any] = _PlainUnpickler(stream).load()
    return properties
