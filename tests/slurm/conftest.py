"""A real Slurm on this machine, and the same benchmark run locally to hold its rows against."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from machine import Unavailable, clean_environment, hear_ctrl_c
from slurm import private_slurm as private

PROFILE = """
partition: main
stage: {memory_gb: 1, gpus: 1}
prepare: {cores: 2, memory_gb: 1}
poll_seconds: 2
"""
WRAPPER = """#!/bin/sh
echo "$4 $CUDA_VISIBLE_DEVICES" >> FOLDER/seen.txt
shift
exec PYTHON -m clbench "$@"
"""
"""What stands before a job's command, as a container would: notes which job saw which GPU."""
MEASURED: dict[str, str] = {}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what was measured; nothing is asserted on seconds."""
    for name, value in MEASURED.items():
        terminalreporter.write_line(f"measured: {name}: {value}")


@dataclass(frozen=True)
class Cluster:
    """A folder to run in, on a machine that has a Slurm."""

    folder: Path

    def start(self, name: str, *what: str, profile: str = "profile.yaml") -> subprocess.Popen[str]:
        """Start ``clbench run`` on Slurm, of ``ci`` unless said, with a store and a report for each name."""
        command = [
            sys.executable, "-m", "clbench", "run", *(what or ("ci",)), "--store", f"{name}-store",
            "--out", name, "--engine", "slurm", "--profile", profile,
        ]  # fmt: skip
        return subprocess.Popen(
            command, cwd=self.folder, env=clean_environment(), text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0, preexec_fn=hear_ctrl_c,
        )  # fmt: skip

    def log(self, name: str, job: str) -> str:
        """What the job whose id begins with ``job`` has written so far."""
        return "".join(path.read_text() for path in self.folder.glob(f"{name}-store/jobs/{job}*/log.txt"))

    @property
    def queue(self) -> dict[str, str]:
        """Slurm's number of every job that it has → what it is."""
        listed = subprocess.check_output(["squeue", "--noheader", "--format=%i %k"], text=True)
        return dict(line.split(" ", 1) for line in listed.splitlines())

    def numbers(self, job: str) -> list[str]:
        """Slurm's numbers of the jobs whose id begins with ``job``."""
        return [number for number, what in self.queue.items() if job in what]


def until(claim: Callable[[], object], seconds: float = 600) -> None:
    """Wait for a claim to come true."""
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def measured() -> dict[str, str]:
    """What is printed at the end."""
    return MEASURED


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A Slurm that runs, and a profile for it."""
    try:
        private.install()
    except Unavailable as why:
        pytest.skip(f"no Slurm here: {why}")
    folder = Path(tempfile.mkdtemp(prefix="clbench-slurm-"))
    folder.chmod(0o755)
    try:
        (folder / "slurm").mkdir()
        (folder / "work").mkdir()
        work = folder / "work"
        wrapper = work / "wrapper"
        wrapper.write_text(WRAPPER.replace("FOLDER", str(work)).replace("PYTHON", sys.executable))
        wrapper.chmod(0o755)
        (work / "profile.yaml").write_text(f"{PROFILE}container: {wrapper}\n")
        with private.cluster(folder / "slurm"):
            yield Cluster(work)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def local_rows(cluster: Cluster) -> bytes:
    """The rows of a run on this machine, without Slurm."""
    command = [sys.executable, "-m", "clbench", "run", "ci", "--store", "local-store", "--out", "local"]
    start = time.monotonic()
    done = subprocess.run(command, cwd=cluster.folder, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    MEASURED["ci without Slurm"] = f"{time.monotonic() - start:.0f} s"
    return (cluster.folder / "local/rows.csv").read_bytes()
