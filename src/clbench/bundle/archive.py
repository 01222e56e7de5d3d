"""The file itself: a tar.gz whose first member lists the checksums of all others; same content, same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from clbench.errors import CorruptArtifact, MissingEnvironment
from clbench.inflate import inflated

MANIFEST = "MANIFEST"
"""The lines that ``sha256sum`` writes, so that ``sha256sum -c MANIFEST`` checks an unpacked bundle."""
HEADER, PLAN, ROWS, SUMMARY = "bundle.json", "plan.json", "rows.csv", "summary.json"
LOCK, PLANS = "constraints.txt", "nnUNetPlans.json"
NEEDED = (HEADER, PLAN, ROWS, SUMMARY, LOCK)
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
MEMBER = re.compile(
    rf"{'|'.join(map(re.escape, (MANIFEST, *NEEDED, PLANS)))}"
    rf"|(written/)?(benchmark|tasks|baselines)/{_NAME}\.yaml|methods/{_NAME}\.py"
)
"""Every name that a member may have."""
LIMIT = 512 * 2**20
"""Bytes of all members together, far above any run's."""
GZIP = b"\x1f\x8b"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def pack(files: Mapping[str, bytes]) -> bytes:
    """The archive of files; the same files give the same bytes.

    Args:
        files: content by name; the manifest is added.
    """
    whole = {MANIFEST: _manifest(files), **dict(sorted(files.items()))}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in whole.items():
            member = tarfile.TarInfo(name)  # of nobody, at no time
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _manifest(files: Mapping[str, bytes]) -> bytes:
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    return "".join(lines).encode()


def unpack(path: Path) -> dict[str, bytes]:
    """The files in an archive, read into memory: nothing is written, and no name is taken for a path.

    Raises:
        MissingEnvironment: there is no such file, or it is no bundle.
        CorruptArtifact: it is truncated or changed, or has a member that a bundle does not have.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(_tar(path)), mode="r:") as tar:
            files = dict(_members(path, tar))
    except (tarfile.TarError, ValueError) as error:
        raise CorruptArtifact(path, f"is no whole tar archive ({error}); get the bundle again") from None
    _check(path, files)
    return files


def _tar(path: Path) -> bytes:
    """What the gzip file holds; its own checksum is verified."""
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise MissingEnvironment(
            f"{path}: {error.strerror}; --from needs a file that `clbench bundle` wrote"
        ) from None
    try:
        return inflated(packed, LIMIT)
    except ValueError as error:
        if packed[:2] != GZIP:
            raise MissingEnvironment(f"{path} is no bundle, as `clbench bundle RUN` writes them ({error})") from None
        raise CorruptArtifact(path, f"is truncated or changed: {error}; get the bundle again") from None


def _members(path: Path, tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    for member in tar:
        file = tar.extractfile(member) if member.isreg() and MEMBER.fullmatch(member.name) else None
        if file is None or member.name in seen:
            raise CorruptArtifact(path, f"has a member {member.name!r}, which no bundle has; nothing was unpacked")
        seen.add(member.name)
        yield member.name, file.read()


def _check(path: Path, files: Mapping[str, bytes]) -> None:
    """Hold every file against the manifest."""
    if MANIFEST not in files:
        raise MissingEnvironment(f"{path} is no bundle, as `clbench bundle RUN` writes them: it has no {MANIFEST}")
    listed = _listed(path, files[MANIFEST])
    for name in sorted({*listed, *NEEDED} - set(files)):
        raise CorruptArtifact(path, f"lacks {name}; get the bundle again")
    for name, content in files.items():
        if name != MANIFEST and listed.get(name) != hashlib.sha256(content).hexdigest():
            raise CorruptArtifact(path, f"{name} is not what {MANIFEST} lists (sha256 differs); get the bundle again")
    if files[MANIFEST] != _manifest({name: content for name, content in files.items() if name != MANIFEST}):
        raise CorruptArtifact(path, f"{MANIFEST} is not as it was written; get the bundle again")


def _listed(path: Path, manifest: bytes) -> dict[str, str]:
    matches = [_LINE.fullmatch(line) for line in manifest.decode("utf-8", "replace").splitlines()]
    if not all(matches):
        raise CorruptArtifact(path, f"{MANIFEST} has a line that is no checksum and name; get the bundle again")
    return {match[2]: match[1] for match in matches if match}
