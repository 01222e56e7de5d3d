"""The versions that a run was made with, as pip takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from clbench.identity import library_versions


def lock(libraries: Mapping[str, str]) -> str:
    """Lines for ``pip install -c``.

    Args:
        libraries: what the run says it was made with. All packages of this environment are listed if it has these
            versions, and they alone if the run was made in another one.
    """
    here = library_versions() == dict(libraries)
    pinned = dict(_installed("clbench", set())) if here else dict(libraries)
    what = "all packages of the environment" if here else "the libraries that decide a number"
    lines = [f"{name}=={version}" for name, version in sorted(pinned.items()) if name != "clbench"]
    return "\n".join([f"# {what} that the run was made with", *lines]) + "\n"


def _installed(name: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    """A package that is installed, and all that it requires, with their versions."""
    name = canonicalize_name(name)
    if name in seen:
        return
    seen.add(name)
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return
    yield name, found.version
    for words in found.requires or ():
        requirement = Requirement(words)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield from _installed(requirement.name, seen)
