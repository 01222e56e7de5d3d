"""Whose Python may be run: the package's own methods, and those that the user says they trust."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from clbench.definitions.catalogue import FOLDERS, package_root
from clbench.errors import ClbenchError

VARIABLE = "CLBENCH_TRUST"
"""Suites whose methods are trusted without ``--trust``, separated as in ``PATH``."""


class Untrusted(ClbenchError):
    """Python from a suite would be run, and nobody said that it is trusted."""


def require_trusted(method_files: Iterable[str | Path], trust: bool) -> None:
    """Refuse to run the Python of suites that are not trusted; nothing of it has been imported so far.

    Args:
        method_files: sources of the methods that would be imported.
        trust: whether the user trusts them all, as ``--trust`` says.

    Raises:
        Untrusted: some are neither shipped nor in a suite that ``CLBENCH_TRUST`` names.
    """
    strange = () if trust else untrusted(method_files)
    if strange:
        suites = os.pathsep.join(dict.fromkeys(str(file.parent.parent) for file in strange))
        raise Untrusted(
            f"{', '.join(map(str, strange))}: Python of a suite, which would be run with your rights; if you trust "
            f"it, add --trust (or for good: export {VARIABLE}={suites})"
        )


def untrusted(method_files: Iterable[str | Path]) -> tuple[Path, ...]:
    """Those that are neither shipped nor in a suite that ``CLBENCH_TRUST`` names; an empty one is no method.

    Symbolic links are followed first, so that none leads from a trusted folder to another file.

    Raises:
        ClbenchError: ``CLBENCH_TRUST`` has a relative path, which would mean another folder elsewhere.
    """
    folders = tuple(folder.resolve() for folder in (package_root() / FOLDERS["method"], *_named()))
    files = dict.fromkeys(Path(file).resolve() for file in method_files if str(file))
    return tuple(file for file in files if not any(file.is_relative_to(folder) for folder in folders))


def _named() -> tuple[Path, ...]:
    folders = tuple(Path(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name)
    for folder in folders:
        if not folder.is_absolute():
            raise ClbenchError(f"{VARIABLE}: {folder} is a relative path; write {folder.absolute()} if you mean that")
    return folders
