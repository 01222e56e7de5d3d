"""A tar of the Medical Segmentation Decathlon."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from clbench.data.sources.archive import unpacked
from clbench.data.telling import Silence
from clbench.definitions.places import DataPlaces
from clbench.definitions.sources import MsdSource

TOP = "Task03_Liver"


def seeds() -> Iterable[bytes]:
    """A dataset's, plain and compressed, and others that lead out of it."""
    for mode in ("w", "w:gz", "w:xz"):
        yield _tar(mode, f"{TOP}/dataset.json", f"{TOP}/imagesTr/a.nii.gz")
    yield _tar("w", f"{TOP}/../../x", "/etc/x")
    yield _tar("w", f"{TOP}/link", kind=tarfile.SYMTYPE)
    yield _tar("w", f"{TOP}/hard", kind=tarfile.LNKTYPE)
    yield _tar("w", "a" * 150, form=tarfile.PAX_FORMAT)


def _tar(mode: str, *names: str, kind: bytes = tarfile.REGTYPE, form: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form) as tar:  # type: ignore[call-overload]
        for name in names:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, "../../x", 3 if kind == tarfile.REGTYPE else 0
            tar.addfile(member, io.BytesIO(b"abc"))
    return buffer.getvalue()


def read(data: bytes, folder: Path) -> None:
    """As ``clbench data prepare`` does, once the checksum of the card fits."""
    archive = folder / f"{TOP}.tar"
    archive.write_bytes(data)
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    source = MsdSource(kind="msd", folder=TOP, url="https://x", md5=md5, licence="x")
    unpacked(source, archive, DataPlaces(folder / "data"), Silence())
