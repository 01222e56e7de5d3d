"""A Slurm of the tests' own: one node that is this machine, with two stand-ins for GPUs, and no accounting."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import machine
from machine import Unavailable, do

PROGRAMS = {"slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client", "munged": "munge"}
CONFIGURATION = Path("/etc/slurm")
"""Where the step inside a job looks, whatever its environment says."""
STAND_INS = ("/dev/null", "/dev/zero")
"""Device nodes that Slurm hands out as GPUs."""
SETTINGS = """
ClusterName=clbench
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
EnforcePartLimits=ALL
MpiDefault=none
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=8000 Gres=gpu:2
PartitionName=main Nodes={host} Default=YES MaxTime=60
"""


def install() -> None:
    """Slurm and munge, from apt, where they are missing.

    Raises:
        Unavailable: this user may not, or apt can't, or the machine has a Slurm of others.
    """
    if (CONFIGURATION / "slurm.conf").exists():
        raise Unavailable(f"this machine belongs to a Slurm already ({CONFIGURATION}/slurm.conf)")
    machine.install(PROGRAMS)


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """Run controller, node and munge with files in ``folder``, and leave no trace of them."""
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir()
    links = [CONFIGURATION / name for name in ("slurm.conf", "gres.conf")]
    (folder / "slurm.conf").write_text(_settings(folder))
    host = socket.gethostname().split(".")[0]
    (folder / "gres.conf").write_text("".join(f"NodeName={host} Name=gpu File={file}\n" for file in STAND_INS))
    CONFIGURATION.mkdir(exist_ok=True)
    munge = _munge(folder)
    try:
        for link in links:
            link.symlink_to(folder / link.name)
        do("slurmctld", "-f", folder / "slurm.conf", "-i")
        do("slurmd", "-f", folder / "slurm.conf", "-N", host)
        _until_idle(folder)
        yield
    finally:
        subprocess.run(["scancel", "--user=root"], capture_output=True)
        subprocess.run(["scontrol", "shutdown"], capture_output=True)
        _until_gone(folder)
        munge.terminate()
        munge.wait()
        for link in links:
            link.unlink(missing_ok=True)


def _settings(folder: Path) -> str:
    host = socket.gethostname().split(".")[0]
    return SETTINGS.format(folder=folder, host=host, controller=_port(), node=_port())


def _munge(folder: Path) -> subprocess.Popen[bytes]:
    key, place = folder / "munge.key", folder / "munge"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    for path in (key, place):
        shutil.chown(path, "munge", "munge")
    words = [f"--{name}={place / name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
    command = ["munged", "--foreground", f"--key-file={key}", *words]
    process = subprocess.Popen(command, user="munge", group="munge", stderr=subprocess.DEVNULL)
    while not (place / "socket").exists():
        assert process.poll() is None, (place / "log-file").read_text()
        time.sleep(0.05)
    return process


def _until_idle(folder: Path) -> None:
    end = time.monotonic() + 60
    while "idle" not in subprocess.run(["sinfo", "--noheader", "--format=%t"], capture_output=True, text=True).stdout:
        logs = [(folder / f"{name}.log").read_text() for name in ("slurmctld", "slurmd")]
        assert time.monotonic() < end, "\n".join(logs)
        time.sleep(0.2)


def _until_gone(folder: Path) -> None:
    """Wait for the two to write their state and end; the files with their numbers go last."""
    end = time.monotonic() + 30
    while any((folder / f"{name}.pid").exists() for name in ("slurmctld", "slurmd")) and time.monotonic() < end:
        time.sleep(0.1)


def _port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
