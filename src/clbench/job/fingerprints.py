"""Fingerprints of cases, kept in the store under what they were made of, so that none is taken twice."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from clbench.identity import library_versions, package_files, sources_digest
from clbench.nnunet.planning import CaseFingerprint, fingerprint_case
from clbench.store import Json, digest, file_digest, write_atomic


def fingerprint(images: list[str], label: str, description: Json, samples: int, kept: Path) -> CaseFingerprint:
    """A case's fingerprint, as ``fingerprint_case`` takes it, from the store if it is there.

    Args:
        images: one file per channel.
        label: the label file.
        description: the raw dataset's ``dataset.json``.
        samples: foreground intensities to draw per channel.
        kept: the folder of fingerprints.
    """
    path = kept / f"{_content(images, label, description, samples)}.fingerprint"
    known = _read(path)
    if known is None:
        known = fingerprint_case(images, label, description, samples)
        _write(path, known)
    return known


def _content(images: list[str], label: str, description: Json, samples: int) -> str:
    """What a fingerprint depends on: the files' bytes, their reader, the draw, and the code."""
    return digest({
        "files": [file_digest(Path(file)) for file in (*images, label)],
        "reader": [description.get("overwrite_image_reader_writer"), description["file_ending"]],
        "samples": samples,
        "code": sources_digest(*package_files("nnunet/planning.py")),
        "libraries": library_versions(),
    })  # fmt: skip


def _write(path: Path, case: CaseFingerprint) -> None:
    channels: dict[str, Any] = {f"channel{number}": values for number, values in enumerate(case.intensities)}
    buffer = io.BytesIO()
    np.savez(buffer, shape=case.shape, spacing=case.spacing, relative_size=case.relative_size, **channels)
    data = buffer.getvalue()
    write_atomic(path, data + hashlib.sha256(data).digest())


def _read(path: Path) -> CaseFingerprint | None:
    """What ``_write`` wrote; None if it is not there or has other bytes."""
    raw = path.read_bytes() if path.exists() else b""
    data, seal = raw[:-32], raw[-32:]
    if hashlib.sha256(data).digest() != seal:
        return None
    with np.load(io.BytesIO(data)) as kept:
        channels = sum(name.startswith("channel") for name in kept)
        intensities = tuple(kept[f"channel{number}"] for number in range(channels))
        shape, spacing = tuple(kept["shape"].tolist()), tuple(kept["spacing"].tolist())
        return CaseFingerprint(shape, spacing, intensities, float(kept["relative_size"]))
