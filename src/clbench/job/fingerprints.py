"""Fingerprints of cases, kept in the store under what they were made of, so that none is taken twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clbench.errors import CorruptArtifact
from clbench.identity import library_versions, package_files, sources_digest
from clbench.store import Json, digest, read_checked, write_checked

CODE = (
    "nnunet/labels.py", "nnunet/planning.py", "nnunet/reading.py", "job/case_work.py", "readers.py",
)  # fmt: skip


def kept_or_made(kept: Path, content: Json, make: Callable[[], bytes]) -> bytes:
    """A packed fingerprint from the store; made and kept there if it is not there, or has other bytes.

    Args:
        kept: the folder of fingerprints.
        content: all that it depends on but code and libraries.
        make: makes it.
    """
    code = sources_digest(*package_files(*CODE))
    path = kept / f"{digest([content, code, library_versions()])}.fingerprint"
    try:
        return read_checked(path)
    except (FileNotFoundError, CorruptArtifact):
        data = make()
        write_checked(path, data)
        return data
