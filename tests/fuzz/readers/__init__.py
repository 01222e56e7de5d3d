"""A file here is a reader that is fuzzed.

It has ``seeds()``, inputs that are right, and ``read(data, folder)``, which writes the input as a file into an empty
folder and reads it as the program does. Nothing but a ``ClbenchError`` may come out of it.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType


def names() -> list[str]:
    """All readers."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def reader(name: str) -> ModuleType:
    """A reader by its name."""
    return import_module(f"{__name__}.{name}")
