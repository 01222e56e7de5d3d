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
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOOLS = {"dockerd": "docker.io", "iptables": "iptables", "debootstrap": "debootstrap"}
CERTIFICATES = Path("/usr/local/share/ca-certificates")
REPOSITORY = Path(__file__).parents[2]
BASE = "localhost/clbench-base:bookworm"
GATEWAY = "172.17.0.1"
"""The host, as a build sees it on the engine's default bridge."""


def obstacle() -> str:
    """Why no engine can be had here; empty if one can."""
    if os.geteuid() != 0:
        return "only root can start a container engine of its own"
    missing = [name for name in TOOLS if shutil.which(name) is None]
    if missing and shutil.which("apt-get") is None:
        return f"no {', '.join(missing)} here, and no apt to install it with"
    return ""


def install() -> None:
    """The engine and debootstrap, from apt, where they are missing."""
    wanted = [package for name, package in TOOLS.items() if shutil.which(name) is None]
    if wanted:
        _do("apt-get", "update")
        _do("apt-get", "install", "-y", "--no-install-recommends", *wanted)


@contextmanager
def engine(folder: Path) -> Iterator[str]:
    """Start dockerd with folders and a socket of its own; gives the socket's address."""
    socket = folder / "docker.sock"
    command = [
        "dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec",
        "--pidfile", folder / "docker.pid", "-H", f"unix://{socket}",
    ]  # fmt: skip
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while not _answers(socket):
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        yield f"unix://{socket}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        subprocess.run(["umount", folder / "exec/netns/default"], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(socket: Path) -> bool:
    return subprocess.run(["docker", "-H", f"unix://{socket}", "version"], capture_output=True).returncode == 0


def import_base(address: str, folder: Path, port: int) -> None:
    """Make ``BASE``: a minimal Debian that trusts what this machine trusts and takes torch's CPU build.

    Args:
        address: the engine's.
        folder: an empty folder to work in.
        port: where this machine hands out the CPU build; without it, pip would take gigabytes of CUDA.
    """
    root = folder / "root"
    _do("debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", root, *_mirror())
    for file in CERTIFICATES.glob("*.crt"):
        shutil.copy(file, root / CERTIFICATES.relative_to("/"))
    _do("chroot", root, "update-ca-certificates")
    _do("chroot", root, "apt-get", "clean")
    (root / "etc/pip.conf").write_text(
        "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\nconstraint = /etc/pip-constraint.txt\n"
        f"find-links = http://{GATEWAY}:{port}/\ntrusted-host = {GATEWAY}\n"
    )
    (root / "etc/pip-constraint.txt").write_text(f"{torch_build()}\n")
    with subprocess.Popen(["tar", "-C", root, "--numeric-owner", "-c", "."], stdout=subprocess.PIPE) as tar:
        subprocess.run(["docker", "-H", address, "import", "-", BASE], stdin=tar.stdout, check=True)


@contextmanager
def wheels(folder: Path) -> Iterator[int]:
    """Hand torch's CPU build out to builds; gives the port. Wants the engine's bridge to be up."""
    found = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, torch_build()]
    if subprocess.run(found, capture_output=True).returncode:
        _do(*found, "--extra-index-url", "https://download.pytorch.org/whl/cpu")
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


def _do(*words: object) -> None:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
