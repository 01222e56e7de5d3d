"""An engine, our image on it, and the same benchmark on the host to hold the container's rows against."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from container import private_engine as private
from machine import Unavailable, clean_environment

STRANGER = 4321
"""A user that neither the image nor the host knows."""
MEASURED: dict[str, str] = {}
TAG = "clbench"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what was measured; nothing is asserted on seconds."""
    for name, value in MEASURED.items():
        terminalreporter.write_line(f"measured: {name}: {value}")


@dataclass(frozen=True)
class Engine:
    """The tests' own engine.

    Attributes:
        daemon: its process.
        address: of its socket.
        folder: a folder for the tests' files that a container's user can reach.
    """

    daemon: private.Daemon
    address: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of programs that are to use this engine and this tree."""
        clean = clean_environment()
        return {**clean, "DOCKER_HOST": self.address, "DOCKER_BUILDKIT": "1"}

    def docker(self, *words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Carry out a docker command; Debian's own client, which brings BuildKit along."""
        command = ["/usr/bin/docker", *map(str, words)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done

    def inside(self, script: str, *options: object) -> str:
        """What a shell script prints in a new container of the image."""
        return self.docker("run", "--rm", *options, "--entrypoint", "bash", TAG, "-c", script).stdout

    def start(self, *words: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start ``clbench container`` on the host, through what stands before it."""
        command = [*before, sys.executable, "-m", "clbench", "container", *map(str, words)]
        return subprocess.Popen(
            command, env=self.environment, cwd=self.folder, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def clbench(self, *words: object, before: tuple[str, ...] = ()) -> tuple[int, str, str]:
        """Carry out ``clbench container`` on the host; gives exit code, standard output and standard error."""
        program = self.start(*words, before=before)
        out, err = program.communicate(timeout=1200)
        return program.returncode, out, err

    def inspect(self, name: str = TAG) -> Any:
        """What the engine knows of an image."""
        return json.loads(self.docker("image", "inspect", name).stdout)[0]

    @property
    def containers(self) -> list[str]:
        """Ids of all containers, running or not."""
        return self.docker("ps", "--all", "--quiet").stdout.split()

    @property
    def results(self) -> Path:
        """A new folder that the stranger may write."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        os.chown(folder, STRANGER, STRANGER)
        return folder


@pytest.fixture(scope="session")
def measured() -> dict[str, str]:
    """What is printed at the end."""
    return MEASURED


@pytest.fixture(scope="session")
def make_image() -> Any:
    """``make image`` in a tree."""
    return make


@pytest.fixture(scope="session")
def bare_engine() -> Iterator[Engine]:
    """An engine that runs and has the base image, and a host that hands torch out; skips where that can't be."""
    with ExitStack() as opened:
        try:
            private.install()
            made = _open(opened)
        except Unavailable as why:
            pytest.skip(f"no container engine here: {why}")
        yield made


def _open(opened: ExitStack) -> Engine:
    above = Path(tempfile.mkdtemp(prefix="clbench-engine-"))
    above.chmod(0o755)
    folder = opened.enter_context(private.disk(above))
    for name in ("engine", "files"):
        (folder / name).mkdir(mode=0o755)
    daemon = opened.enter_context(private.engine(folder / "engine"))
    port = opened.enter_context(private.wheels(folder / "wheels"))
    start = time.monotonic()
    private.import_base(daemon.address, folder, port)
    MEASURED["base"] = f"{time.monotonic() - start:.0f} s"
    return Engine(daemon, daemon.address, folder / "files")


@pytest.fixture(scope="session")
def host(bare_engine: Engine) -> Iterator[subprocess.Popen[bytes]]:
    """The benchmark ``ci`` from this tree on the host, begun while the image is built."""
    environment = clean_environment()
    with open(bare_engine.folder / "host.log", "wb") as log:
        program = subprocess.Popen(
            [sys.executable, "-m", "clbench", "run", "ci", "--store", "host-store", "--out", "host-run"],
            cwd=bare_engine.folder, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    yield program
    program.terminate()
    program.wait()


@pytest.fixture(scope="session")
def revision() -> str:
    """Of this tree, before anything is built of it."""
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.check_output(words, cwd=private.REPOSITORY, text=True).strip()


@pytest.fixture(scope="session")
def engine(bare_engine: Engine, host: object, revision: str) -> Engine:
    """The engine with our image, built from our Dockerfile as it is by ``make image``."""
    start = time.monotonic()
    make(bare_engine, private.REPOSITORY)
    MEASURED["first build"] = f"{time.monotonic() - start:.0f} s"
    return bare_engine


def make(engine: Engine, tree: Path, image: str = TAG) -> None:
    """``make image`` in a tree."""
    words = ["make", "image", f"IMAGE={image}", f"BASE_IMAGE={private.BASE}", "DOCKER=/usr/bin/docker"]
    done = subprocess.run(words, cwd=tree, env=engine.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
