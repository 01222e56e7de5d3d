"""doctor: whether this machine can run a benchmark."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from clbench.cli.options import json_option, store_option
from clbench.disk import make_folder, writing_to
from clbench.errors import ClbenchError, MissingEnvironment
from clbench.store import write_atomic

Check = tuple[str, bool, str]
LEAST_GB = 2.0


@click.command("doctor")
@store_option
@json_option
def doctor_command(store: Path, as_json: bool) -> None:
    """Check this machine: versions, cores, memory, disk, accelerator, anatomy, definitions."""
    checks = list(_checks(store))
    if as_json:
        click.echo(json.dumps([{"check": n, "ok": ok, "words": words} for n, ok, words in checks], indent=1))
    else:
        for name, ok, words in checks:
            click.echo(f"{'ok  ' if ok else 'FAIL'}  {name:12s} {words}")
    if not all(ok for _, ok, _ in checks):
        raise MissingEnvironment("this machine is not ready; see the lines marked FAIL")


def _checks(store: Path) -> Iterator[Check]:
    from clbench.provenance import machine

    found = machine()
    yield _versions()
    yield "machine", True, f"{found['processor']}, {found['cores']} cores, {found['memory_gb']} GB"
    devices = found["accelerators"]
    yield "accelerator", True, ", ".join(devices) or "none; training runs on the CPU, one thread a job"
    yield _attempt("store", lambda: _disk(store))
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


def _disk(store: Path) -> str:
    make_folder(store)
    with writing_to(store):
        write_atomic(store / ".doctor", b"")
        (store / ".doctor").unlink()
    free = shutil.disk_usage(store).free / 1e9
    if free < LEAST_GB:
        raise MissingEnvironment(f"{store} has {free:.1f} GB free; the embedded benchmark needs {LEAST_GB} GB")
    return f"{store} can be written, {free:.0f} GB free"


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
