"""What the disk refuses, said in words."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clbench.errors import MissingEnvironment

LITTLE = 10**6
"""Bytes below which a disk counts as full."""
REFUSALS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your disk quota is used up; free some space",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "no permission to write there; choose another folder or change its permissions",
    errno.EPERM: "no permission to write there; choose another folder or change its permissions",
    errno.ENOTDIR: "part of that path is a file, not a folder; choose another folder",
    errno.EEXIST: "there is a file of that name; choose another folder",
}


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises:
        MissingEnvironment: it cannot be made.
    """
    with writing_to(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # so say /proc and its like
            raise MissingEnvironment(f"{folder}: cannot be made there; choose another folder") from error


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write below ``folder`` into a message about that folder.

    Raises:
        MissingEnvironment: the folder is unwritable, or the disk is full; it says what to do, and that
            the same command continues afterwards.
    """
    try:
        yield
    except OSError as error:
        advice = REFUSALS.get(error.errno or 0)
        if advice is None:
            raise
        message = f"{folder}: cannot write: {advice}. Nothing is lost: the same command goes on from here."
        raise MissingEnvironment(message) from error


def require_room(folder: Path, needed: int) -> None:
    """Refuse to begin what would not fit.

    Args:
        folder: where it is to be written.
        needed: bytes that are still to come.

    Raises:
        MissingEnvironment: fewer are free.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise MissingEnvironment(
            f"{folder}: {needed / 1e6:.1f} MB are still to be written there and {free / 1e6:.1f} MB are free; free "
            "some space or choose another folder. Nothing is lost: the same command goes on from here."
        )


def require_own(*folders: Path) -> None:
    """Refuse folders, or anything right in them, that this user may not write: what is begun would not be finished.

    Raises:
        MissingEnvironment: it, or what lies in it, belongs to somebody else; the message says whose it is.
    """
    for folder in filter(Path.is_dir, folders):
        entries = (folder, *sorted(folder.iterdir()))
        wrong = next((entry for entry in entries if not os.access(entry, os.W_OK, effective_ids=True)), None)
        if wrong:
            user, owner = os.geteuid(), wrong.stat().st_uid
            raise MissingEnvironment(
                f"{wrong}: cannot be written by this user ({user}); it belongs to user {owner}. Give it to yourself "
                f"(sudo chown -R {user} {folder}), run as user {owner} (in a container: --user), or choose another"
            )


def last_straw(folder: Path) -> str:
    """A line to say behind an error that does not name its cause, where a full disk may be it; else nothing."""
    free = shutil.disk_usage(folder).free
    return f"{folder} has {free / 1e6:.1f} MB left: {REFUSALS[errno.ENOSPC]}\n" if free < LITTLE else ""
