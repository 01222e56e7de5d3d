"""Archives as they were published: checked, and unpacked without what is not needed."""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from clbench.data.memory import Memory
from clbench.data.telling import Advance, Telling
from clbench.definitions.places import DataPlaces
from clbench.definitions.sources import MsdSource
from clbench.disk import make_folder, require_room, writing_to
from clbench.errors import MissingEnvironment

UNNEEDED = ("imagesTs",)
"""Folders that hold no labelled case."""
CHUNK = 2**22
MOST_FILES = 200_000
"""Entries of the largest archive that is unpacked."""
GROWTH, ALWAYS = 20, 2**30
"""How many times its own size an archive may unpack to; below so many bytes it is not asked."""
HEADER = 2**20
"""Bytes of an entry's extended header, which is read into memory."""
EXTENDED = (*tarfile.GNU_TYPES[:2], tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
MD5 = "md5"
"""What a checksum is remembered as."""


def unpacked(source: MsdSource, archive: Path, places: DataPlaces, telling: Telling) -> Path:
    """Unpack a task's tar into the data folder; what was unpacked whole before is not unpacked again.

    Raises:
        MissingEnvironment: it is not the published file, is broken, leads out of the folder, unpacks to far more
            than its size, or does not fit.
    """
    target = places.datasets / source.folder
    begun = target.with_name(f".{source.folder}.unpacking")
    if target.exists():
        raise MissingEnvironment(f"{target}: is there and has no imagesTr; remove it, then it is unpacked anew")
    with telling.bar(f"{archive.name}: checking", "bytes") as advance:
        check_md5(archive, source.md5, Memory(places.examined), advance)
    with telling.bar(f"{archive.name}: unpacking", "bytes") as advance:
        try:
            _unpack(archive, begun, advance)
        except tarfile.FilterError as error:
            raise MissingEnvironment(f"{archive}: refused, nothing of it is used: {error}") from error
        except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
            raise MissingEnvironment(f"{archive}: is no whole tar file: {error}; fetch it again") from error
    top = begun / source.folder
    if not top.is_dir():
        raise MissingEnvironment(f"{archive}: has no folder {source.folder}")
    os.replace(top, target)
    shutil.rmtree(begun)
    return target


def check_md5(file: Path, expected: str, memory: Memory, advance: Advance) -> None:
    """Compare a file with its published checksum, unless that was done before.

    Raises:
        MissingEnvironment: it has other bytes.
    """
    found = memory.recall([file], MD5)
    if found is None:
        found = _md5(file, advance)
        keep_md5(file, found, memory)
    if found != expected:
        raise MissingEnvironment(
            f"{file}: has MD5 {found}, and {expected} was published; the file is damaged or another one. "
            "Remove it and fetch it again"
        )


def keep_md5(file: Path, found: str, memory: Memory) -> None:
    """Remember the checksum of a file whose bytes were read, so that ``check_md5`` need not."""
    memory.keep([file], found, MD5)


def _md5(file: Path, advance: Advance) -> str:
    total, done, found = file.stat().st_size, 0, hashlib.md5(usedforsecurity=False)
    with open(file, "rb") as stream:
        while chunk := stream.read(CHUNK):
            found.update(chunk)
            done += len(chunk)
            advance(done, total)
    return found.hexdigest()


def _unpack(archive: Path, begun: Path, advance: Advance) -> None:
    make_folder(begun)
    with tarfile.open(archive, tarinfo=_Member) as tar:
        members = list(_wanted(tar, begun, max(ALWAYS, GROWTH * archive.stat().st_size)))
        total, done = sum(member.size for member in members), 0
        require_room(begun, sum(m.size for m in members if not _is_there(m, begun)))
        for member in members:
            if not _is_there(member, begun):
                _extract(tar, member, begun)
            done += member.size
            advance(done, total)


class _Member(tarfile.TarInfo):
    """An entry whose extended headers are no larger than names are."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in EXTENDED and self.size > HEADER:
            raise tarfile.ReadError(f"a header of {self.size} bytes; {HEADER} are the most that is read")
        member: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return member


def _wanted(tar: tarfile.TarFile, begun: Path, most: int) -> Iterator[tarfile.TarInfo]:
    """The files to unpack; every member is checked, also those that are passed over.

    Raises:
        tarfile.FilterError: a path leads out of the folder, or is a device.
        tarfile.ReadError: it unpacks to more than ``most`` bytes, or to too many files.
    """
    size = 0
    for number, member in enumerate(tar, start=1):
        size += member.size
        if size > most or number > MOST_FILES:
            what = f"{MOST_FILES} files" if number > MOST_FILES else f"{most} bytes"
            raise tarfile.ReadError(f"it unpacks to more than {what}, the most that is unpacked of such an archive")
        checked = tarfile.data_filter(member, str(begun.resolve()))
        path = PurePosixPath(checked.name)
        if checked.isreg() and not path.name.startswith(".") and not set(UNNEEDED) & set(path.parts):
            yield checked


def _is_there(member: tarfile.TarInfo, begun: Path) -> bool:
    path = begun / member.name
    return path.is_file() and path.stat().st_size == member.size


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, begun: Path) -> None:
    """Write a file so that it appears whole or not at all."""
    path = begun / member.name
    temporary = path.with_name(f".{path.name}.tmp")
    source = tar.extractfile(member)
    assert source is not None, "it is a regular file"
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with source, open(temporary, "wb") as file:
                shutil.copyfileobj(source, file, CHUNK)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
