"""A Docker engine of the tests' own, and a base image that stands in for CUDA's, which no test can fetch."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import machine
from machine import Unavailable, attempt, do, want

TOOLS = {"dockerd": "docker.io", "iptables": "iptables", "debootstrap": "debootstrap"}
CERTIFICATES = Path("/usr/local/share/ca-certificates")
REPOSITORY = Path(__file__).parents[2]
BASE = "localhost/clbench-base:bookworm"
ROOM = 16 * 2**30
"""Bytes of the tests' file system; only those that are written take place."""
HELPERS = ("dockerd", "containerd", "containerd-shim-runc-v2")
GATEWAY = "172.17.0.1"
"""The host, as a build sees it on the engine's default bridge."""


def install() -> None:
    """The engine and debootstrap, from apt, where they are missing.

    Raises:
        Unavailable: this user may not, or apt can't.
    """
    machine.install(TOOLS)


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A file system of its own, which is deleted as one file where an engine's hundred thousand take minutes."""
    image, place = folder / "disk.img", folder / "disk"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(ROOM)
    mounted = attempt("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "nodiscard", image) and attempt(
        "mount", "-o", "loop,noatime", image, place
    )
    try:
        yield place
    finally:
        if mounted:
            attempt("umount", "--recursive", place) or attempt("umount", "--recursive", "--lazy", place)
        do("rm", "-rf", "--one-file-system", folder)


@dataclass
class Daemon:
    """dockerd with folders and a socket of its own.

    Attributes:
        folder: all of it.
        process: the one that runs.
    """

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Of its socket."""
        return f"unix://{self.folder / 'docker.sock'}"

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            Unavailable: it ended instead.
        """
        command = [
            "dockerd", "--data-root", self.folder / "data", "--exec-root", self.folder / "exec",
            "--pidfile", self.folder / "docker.pid", "-H", self.address,
        ]  # fmt: skip
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        while not _answers(self.address):
            if self.process.poll() is not None:
                raise Unavailable(f"dockerd doesn't start here: {(self.folder / 'log').read_text()[-1000:]}")
            time.sleep(0.1)

    def crash(self) -> None:
        """Kill the engine, its helpers and every container at once, as a power cut does."""
        assert self.process is not None
        for pid in _family(str(self.folder)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(60)
        for note in self.folder.glob("exec/**/*.pid"):  # dockerd believes them, and a reboot empties /run
            note.unlink()

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)


@contextmanager
def engine(folder: Path) -> Iterator[Daemon]:
    """A running engine in an empty folder."""
    daemon = Daemon(folder)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()
        attempt("umount", folder / "exec/netns/default")


def _family(folder: str) -> list[int]:
    """The processes that were started with a path in the folder, and their children."""
    parents: dict[int, int] = {}
    named: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if Path(words[0]).name in HELPERS and any(folder in word for word in words):
                named.add(int(entry.name))
    return sorted(named | {pid for pid, parent in parents.items() if parent in named})


def _answers(address: str) -> bool:
    return attempt("docker", "-H", address, "version")


def import_base(address: str, folder: Path, port: int) -> None:
    """Make ``BASE``: a minimal Debian that trusts what this machine trusts and takes torch's CPU build.

    Args:
        address: the engine's.
        folder: an empty folder to work in.
        port: where this machine hands out the CPU build; without it, pip would take gigabytes of CUDA.

    Raises:
        Unavailable: Debian can't be had, or no container of it can be started.
    """
    root = folder / "root"
    want("debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", root, *_mirror())
    for file in CERTIFICATES.glob("*.crt"):
        shutil.copy(file, root / CERTIFICATES.relative_to("/"))
    do("chroot", root, "update-ca-certificates")
    do("chroot", root, "apt-get", "clean")
    (root / "etc/pip.conf").write_text(
        "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\nconstraint = /etc/pip-constraint.txt\n"
        f"find-links = http://{GATEWAY}:{port}/\ntrusted-host = {GATEWAY}\n"
    )
    (root / "etc/pip-constraint.txt").write_text(f"{torch_build()}\n")
    with subprocess.Popen(["tar", "-C", root, "--numeric-owner", "-c", "."], stdout=subprocess.PIPE) as tar:
        subprocess.run(["docker", "-H", address, "import", "-", BASE], stdin=tar.stdout, check=True)
    want("docker", "-H", address, "run", "--rm", BASE, "true")


@contextmanager
def wheels(folder: Path) -> Iterator[int]:
    """Hand torch's CPU build out to builds; gives the port. Wants the engine's bridge to be up."""
    found = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, torch_build()]
    if subprocess.run(found, capture_output=True).returncode:
        do(*found, "--extra-index-url", "https://download.pytorch.org/whl/cpu")
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer((GATEWAY, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def torch_build() -> str:
    """The CPU build of the version that constraints.txt fixes, as pip wants it named."""
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith("torch==")) + "+cpu"


def _mirror() -> list[str]:
    """Where this machine's own apt gets Debian from; nothing if that is no Debian."""
    read = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True)
    return [site for site in read.stdout.split() if site.rstrip("/").endswith("/debian")][:1]
