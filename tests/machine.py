"""What tests want of the machine: packages, programs, and processes that begin as a user's own would."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from clbench.arithmetic import SETTINGS


class Unavailable(Exception):
    """Something can't be had here; says why."""


def install(packages: Mapping[str, str]) -> None:
    """Programs that tests start as root, from apt, where they are missing.

    Args:
        packages: Debian's package, by the program's name.

    Raises:
        Unavailable: this user may not, or apt can't.
    """
    if os.geteuid() != 0:
        raise Unavailable(f"only root can start {next(iter(packages))} for the tests alone")
    wanted = {name: package for name, package in packages.items() if shutil.which(name) is None}
    if wanted and shutil.which("apt-get") is None:
        raise Unavailable(f"no {', '.join(wanted)} here, and no apt to install it with")
    if wanted:
        want("apt-get", "update")
        want("apt-get", "install", "-y", "--no-install-recommends", *wanted.values())


def attempt(*words: object) -> bool:
    """Carry a command out that may fail; whether it ended well."""
    return subprocess.run([*map(str, words)], capture_output=True).returncode == 0


def do(*words: object) -> None:
    """Carry a command out that must end well."""
    ended = subprocess.run([*map(str, words)], capture_output=True, text=True)
    assert ended.returncode == 0, f"{words}: {ended.stdout[-2000:]}\n{ended.stderr[-2000:]}"


def want(*words: object) -> None:
    """Carry a command out that ends well where the machine is able to.

    Raises:
        Unavailable: it did not.
    """
    try:
        do(*words)
    except AssertionError as why:
        raise Unavailable(str(why)) from None


@contextmanager
def mounted(folder: Path, *words: object) -> Iterator[Path]:
    """A file system at a new folder, by a mount command that lacks only the folder.

    Raises:
        Unavailable: it can't be mounted here.
    """
    folder.mkdir(exist_ok=True)
    want(*words, folder)
    try:
        yield folder
    finally:
        do("umount", folder)


def clean_environment() -> dict[str, str]:
    """This environment without settings of clbench's, and without what tests side by side are told of threads."""
    own = ("CLBENCH_", "OMP_NUM_THREADS", *SETTINGS)
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


def hear_ctrl_c() -> None:
    """A shell's background jobs, such as a test session, ignore Ctrl-C, and so would all that they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
