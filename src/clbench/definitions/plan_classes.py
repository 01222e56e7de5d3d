"""Whether the classes and functions that a plans file names are there, by nnU-Net's source, which is not imported."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def _sources(package: str, folder: str) -> str:
    """The source text of a folder of a package; empty if it is not installed."""
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    files = sorted(file for place in places for file in (Path(place) / folder).rglob("*.py"))
    return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)


def defined(name: object, kind: str, folder: str, package: str = "nnunetv2") -> bool:
    """Whether a class or function of a name is defined in a folder of a package.

    Args:
        name: its name.
        kind: ``class`` or ``def``.
        folder: relative to the package.
        package: nnU-Net, or where its networks are.
    """
    plain = isinstance(name, str) and name.isidentifier() and package.isidentifier()
    return plain and bool(re.search(rf"^{kind} {name}\b", _sources(package, folder), re.MULTILINE))


def known_classes(folder: str, base: str) -> list[str]:
    """The classes of a folder of nnU-Net's that derive from a base."""
    return re.findall(rf"^class (\w+)\({base}\)", _sources("nnunetv2", folder), re.MULTILINE)
