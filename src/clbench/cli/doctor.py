"""doctor: whether this machine can run a benchmark."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from clbench.cli.arithmetic import arithmetic_words
from clbench.cli.options import data_option, json_option, store_option
from clbench.definitions.places import DataPlaces
from clbench.disk import make_folder, require_own, writing_to
from clbench.errors import ClbenchError, MissingEnvironment
from clbench.store import write_atomic

Check = tuple[str, bool, str]
LEAST_GB, LEAST_REPORT_GB = 2.0, 0.1
"""Free space that the embedded benchmark wants for its artifacts, and for its report."""
SHARED_MEMORY = Path("/dev/shm")
WORKERS, BATCH_MB = 12, 30
"""nnU-Net's default number of loading workers, and a batch of two patches of 128 voxels a side with its targets."""
REPORTS = Path("reports")
LEAST_DRIVER = {"11": 450, "12": 525, "13": 580}
"""The oldest driver for each major version of CUDA (NVIDIA, CUDA Compatibility, minor version compatibility)."""
LOOK_AT_CUDA = """
import torch
try:
    torch.cuda.init()
    print(torch.version.cuda, torch.cuda.device_count(), "", sep="|")
except Exception as error:
    print(torch.version.cuda, 0, str(error).splitlines()[0], sep="|")
"""


@click.command("doctor")
@store_option
@data_option
@json_option
def doctor_command(store: Path, data: Path | None, as_json: bool) -> None:
    """Check this machine: versions, cores, memory, accelerator, folders and disks, anatomy, definitions."""
    checks = list(_checks(store, data))
    if as_json:
        click.echo(json.dumps([{"check": n, "ok": ok, "words": words} for n, ok, words in checks], indent=1))
    else:
        for name, ok, words in checks:
            click.echo(f"{'ok  ' if ok else 'FAIL'}  {name:12s} {words}")
    if not all(ok for _, ok, _ in checks):
        raise MissingEnvironment("this machine is not ready; see the lines marked FAIL")


def _checks(store: Path, data: Path | None) -> Iterator[Check]:
    from clbench.provenance import machine

    found = machine()
    yield _versions()
    yield "machine", True, f"{found['processor']}, {found['cores']} cores, {found['memory_gb']} GB"
    yield _attempt("arithmetic", lambda: "; ".join(arithmetic_words()))
    devices = found["accelerators"]
    yield _attempt("accelerator", lambda: _accelerator(devices))
    if devices:
        yield _attempt("shm", lambda: _shared_memory(shutil.disk_usage(SHARED_MEMORY).free))
    yield _attempt("store", lambda: _disk(store, LEAST_GB))
    yield _attempt("results", _results)
    yield _attempt("data", lambda: _data(data))
    yield _attempt("anatomy", _anatomy)
    yield _attempt("definitions", _definitions)


def _versions() -> Check:
    names = ("torch", "nnunetv2", "snakemake")
    try:
        return "packages", True, ", ".join(f"{name} {version(name)}" for name in names)
    except PackageNotFoundError as error:
        return "packages", False, f"{error.name} is not installed; run `pip install -c constraints.txt .`"


def _attempt(name: str, check: Callable[[], str]) -> Check:
    try:
        return name, True, check()
    except (ClbenchError, OSError) as error:
        return name, False, str(error)


def _accelerator(devices: list[str]) -> str:
    """What torch makes of the devices that the driver lists; torch is asked in a process of its own."""
    if not devices:
        return "none; training runs on the CPU, one thread a job"
    asked = subprocess.run([sys.executable, "-P", "-c", LOOK_AT_CUDA], capture_output=True, text=True)
    said = (asked.stdout.strip() or f"None|0|{asked.stderr.strip()}").split("|", 2)
    return _usable(devices, said[0], int(said[1]), said[2])


def _usable(devices: list[str], built_for: str, count: int, error: str) -> str:
    """In words, that torch can use the devices.

    Args:
        devices: name, memory and driver of each, as the driver lists them.
        built_for: the CUDA version that torch was built for; ``None`` if it was built without.
        count: devices that torch sees.
        error: what torch said when it looked.

    Raises:
        MissingEnvironment: it can't; the message says whether torch or the driver is the wrong one.
    """
    listed = ", ".join(devices)
    if count:
        return listed
    if built_for == "None":
        raise MissingEnvironment(
            f"{listed}: but this torch is built without CUDA; install one that is built for it (pytorch.org)"
        )
    least = LEAST_DRIVER.get(built_for.partition(".")[0])
    version = f" (driver {least} or newer)" if least else ""
    raise MissingEnvironment(
        f"{listed}: but torch, built for CUDA {built_for}, can't use it ({error or 'it sees no device'}); "
        f"update the driver to one for CUDA {built_for}{version}, or install a torch that is built for an older CUDA"
    )


def _shared_memory(free: int) -> str:
    """Whether the batches that loading workers have ready fit in shared memory.

    Raises:
        MissingEnvironment: they don't.
    """
    workers = int(os.environ.get("nnUNet_n_proc_DA", WORKERS))  # noqa: SIM112 nnU-Net spells it so
    needed = max(1, workers) * 2 * BATCH_MB * 1e6
    if free < needed:
        raise MissingEnvironment(
            f"{SHARED_MEMORY} has {free / 1e6:.0f} MB free, and {workers} loading workers put about "
            f"{needed / 1e6:.0f} MB there; give a container more (docker run --shm-size 8g), or set nnUNet_n_proc_DA "
            f"to fewer workers"
        )
    return f"{free / 1e9:.0f} GB for batches of loading workers"


def _disk(folder: Path, least: float) -> str:
    """Whether a folder, and what lies in it, can be written, and has room.

    Raises:
        MissingEnvironment: it can't be made or written, belongs to somebody else, or has less than ``least`` GB free.
    """
    make_folder(folder)
    require_own(folder, folder / "jobs")
    with writing_to(folder):
        write_atomic(folder / ".doctor", b"")
        (folder / ".doctor").unlink()
    free = shutil.disk_usage(folder).free / 1e9
    if free < least:
        raise MissingEnvironment(
            f"{folder} has {free:.1f} GB free; the embedded benchmark needs {least} GB there: free some space, or "
            "choose another folder or volume"
        )
    return f"{folder} can be written, {free:.0f} GB free"


def _results() -> str:
    """The folder that runs' folders lie in; where it is not there yet, the one that it would be made in.

    Raises:
        MissingEnvironment: as ``_disk`` does.
    """
    if REPORTS.is_dir():
        return _disk(REPORTS, LEAST_REPORT_GB)
    with writing_to(REPORTS):
        REPORTS.mkdir()
    try:
        return _disk(REPORTS, LEAST_REPORT_GB)
    finally:
        REPORTS.rmdir()


def _data(named: Path | None) -> str:
    """Whether the folders that datasets are looked for in are there, where somebody named one.

    Raises:
        MissingEnvironment: one that was named is not there, or can't be read.
    """
    places = DataPlaces.default(named)
    for folder in ([places.root] if named else []) + list(places.raw):
        if not folder.is_dir():
            raise MissingEnvironment(
                f"there is no data folder {folder}; make it or correct CLBENCH_DATA, nnUNet_raw or --data (in a "
                "container: mount it with -v)"
            )
        if not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
            raise MissingEnvironment(f"{folder}: cannot be read by this user ({os.geteuid()}); it belongs to user "
                                     f"{folder.stat().st_uid}: chmod -R a+rX {folder}")  # fmt: skip
    return f"{places.root} is there" if places.root.is_dir() else "none; the embedded benchmarks need none"


def _anatomy() -> str:
    from clbench.data.anatomy import anatomy_file, checked_bytes

    return f"{len(checked_bytes(anatomy_file())) / 1e6:.1f} MB, checksum right"


def _definitions() -> str:
    from clbench.definitions.catalogue import Catalogue
    from clbench.definitions.resolve import resolve

    catalogue = Catalogue.open()
    names = catalogue.names("benchmark")
    for name in names:
        resolve(name, catalogue)
    return f"{', '.join(names)}: nothing wrong"
