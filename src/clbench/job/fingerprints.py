"""Fingerprints of cases, kept in the store under what they were made of, so that none is taken twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from clbench.identity import library_versions, package_files, sources_digest
from clbench.store import Json, digest, write_atomic

CODE = ("nnunet/labels.py", "nnunet/planning.py", "nnunet/reading.py", "job/case_work.py")


def kept_or_made(kept: Path, content: Json, make: Callable[[], bytes]) -> bytes:
    """A packed fingerprint from the store; made and kept there if it is not there, or has other bytes.

    Args:
        kept: the folder of fingerprints.
        content: all that it depends on but code and libraries.
        make: makes it.
    """
    code = sources_digest(*package_files(*CODE))
    path = kept / f"{digest([content, code, library_versions()])}.fingerprint"
    raw = path.read_bytes() if path.exists() else b""
    data, seal = raw[:-32], raw[-32:]
    if hashlib.sha256(data).digest() != seal:
        data = make()
        write_atomic(path, data + hashlib.sha256(data).digest())
    return data
