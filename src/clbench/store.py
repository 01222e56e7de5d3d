"""Where jobs keep what they made: written by rename, sealed by checksum, locked while somebody works on it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from clbench.errors import CorruptArtifact

Json = dict[str, Any]
HEAD = 256
"""Bytes that a glimpse reads."""
_TEMPORARY = re.compile(r"\..+\.\d+\.tmp")


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` so that a reader sees the old file or the whole new one, whatever happens in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path, pattern: str, seconds: float = 0.0) -> None:
    """Delete what writers that were killed left half-written; nobody else may be writing there.

    Args:
        folder: where to look.
        pattern: of files in it, as ``Path.glob`` takes it; of those only ``write_atomic``'s temporary ones count.
        seconds: leave those that were written to less long ago.
    """
    for path in folder.glob(pattern):
        if _TEMPORARY.fullmatch(path.name):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime >= seconds:
                    path.unlink()


def canonical(value: object) -> bytes:
    """The one JSON spelling of a value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: object) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checked(path: Path, data: bytes) -> None:
    """Write bytes with their own SHA-256 behind them."""
    write_atomic(path, data + hashlib.sha256(data).digest())


def read_checked(path: Path) -> bytes:
    """Read what ``write_checked`` wrote.

    Raises:
        FileNotFoundError: there is none.
        CorruptArtifact: other bytes are there.
    """
    raw = path.read_bytes()
    data, seal = raw[:-32], raw[-32:]
    if hashlib.sha256(data).digest() != seal:
        raise CorruptArtifact(path, "has other bytes than were written (sha256 differs)")
    return data


def write_sealed(path: Path, value: Json) -> None:
    """Write a JSON document together with the checksum of its content."""
    write_atomic(path, json.dumps({"sha256": digest(value), "content": value}, indent=1).encode())


def read_sealed(path: Path) -> Json:
    """Read a sealed document.

    Raises:
        FileNotFoundError: there is none.
        CorruptArtifact: it is not JSON, or its content does not have its checksum.
    """
    try:
        document = json.loads(path.read_bytes())
        content, seal = dict(document["content"]), document["sha256"]
        fits = digest(content) == seal
    except FileNotFoundError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptArtifact(path, f"not a whole sealed document ({error})") from error
    if not fits:
        raise CorruptArtifact(path, "its content does not have the checksum it was sealed with")
    return content


def describe_files(folder: Path, files: Iterable[str]) -> Json:
    """Bytes and SHA-256 of files, by their path relative to ``folder``."""
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": file_digest(folder / name)}
        for name in sorted(files)
    }


def check_files(folder: Path, files: Json) -> None:
    """Compare files with what ``describe_files`` recorded.

    Raises:
        CorruptArtifact: a file is missing, truncated or changed; the message says which.
    """
    for name, recorded in files.items():
        path = folder / name
        if not path.is_file():
            raise CorruptArtifact(path, "is missing")
        if path.stat().st_size != recorded["bytes"]:
            raise CorruptArtifact(path, f"has {path.stat().st_size} bytes instead of {recorded['bytes']}")
        if file_digest(path) != recorded["sha256"]:
            raise CorruptArtifact(path, "has other bytes than were written (sha256 differs)")


@dataclass(frozen=True)
class JobFolder:
    """One job's folder in the store and the documents in it.

    ``result.json`` says that the job is done; ``trained.json`` that its training is, so that only its
    evaluation is left. Both name the files they vouch for.
    """

    path: Path

    @property
    def log(self) -> Path:
        """Everything the job printed, attempts one after another."""
        return self.path / "log.txt"

    @property
    def common(self) -> Path:
        """The store's own folder, which all jobs share."""
        return self.path.parent.parent

    @property
    def progress(self) -> Path:
        """How far the job is: ``{"done": iterations, "of": iterations, "doing": words}``."""
        return self.path / "progress.json"

    @property
    def lock_path(self) -> Path:
        """The lock file; it is held by the process that works on the job and survives nobody."""
        return self.path.with_suffix(".lock")

    def lock(self) -> FileLock:
        """The job's lock; the operating system frees it when its holder dies."""
        self.path.mkdir(parents=True, exist_ok=True)
        return FileLock(self.lock_path)

    def read(self, document: str) -> Json | None:
        """The content of ``result`` or ``trained``; None if it was not written yet.

        Raises:
            CorruptArtifact: it is damaged.
        """
        try:
            return read_sealed(self.path / f"{document}.json")
        except FileNotFoundError:
            return None

    def glimpse(self, document: str, key: str) -> str | None:
        """What ``result`` or ``trained`` says near its head under a key of hexadecimal values; nothing is checked.

        Returns:
            None if the document was not written yet, an empty text if it does not say.
        """
        try:
            with open(self.path / f"{document}.json", "rb") as file:
                found = re.search(f'"{key}": "([0-9a-f]*)"', file.read(HEAD).decode(errors="replace"))
        except FileNotFoundError:
            return None
        return found[1] if found else ""

    def finish(self, document: str, content: Json, files: Iterable[str]) -> Json:
        """Seal ``content`` and the checksums of ``files`` as the job's ``result`` or ``trained`` document."""
        return self.seal(document, content, describe_files(self.path, files))

    def seal(self, document: str, content: Json, described: Json) -> Json:
        """Like ``finish``, for files that ``describe_files`` has described already."""
        whole = {**content, "files": described}
        write_sealed(self.path / f"{document}.json", whole)
        return whole

    def check(self, document: str) -> Json | None:
        """Like ``read``, and compare every file that the document vouches for."""
        content = self.read(document)
        if content is not None:
            try:
                check_files(self.path, content["files"])
            except (KeyError, TypeError, AttributeError) as error:
                reason = "does not say which files it vouches for"
                raise CorruptArtifact(self.path / f"{document}.json", reason) from error
        return content

    def forget(self, document: str) -> None:
        """Delete a document alone: what others vouch for stays, and is not done again."""
        (self.path / f"{document}.json").unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete what is in the folder but its log, so that the job is done again from its beginning."""
        for entry in self.path.iterdir():
            if entry != self.log:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@dataclass(frozen=True)
class Store:
    """The folder that all benchmarks share; a job's path in it is a function of the job's id."""

    root: Path

    def job(self, job_id: str) -> JobFolder:
        """The folder of a job, whether it exists or not."""
        return JobFolder(self.root / "jobs" / job_id)
