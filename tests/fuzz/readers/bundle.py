"""A bundle that someone else made: the file, or what its members say, under a manifest that fits them."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from clbench.bundle import archive, bundle_of, differences, expectation, read_bundle, rerun_plan
from clbench.plan.sealed import plan_bytes
from clbench.provenance import environment
from clbench.references import shipped_references
from clbench.run import Places

USTAR = slice(257, 262)
"""Where a tar says that it is one."""


@cache
def _whole() -> Mapping[str, bytes]:
    """The members of the bundle of the smallest benchmark, as it was published."""
    with tempfile.TemporaryDirectory() as place:
        folder, published = Path(place), shipped_references() / "ci"
        (folder / "plan.json").write_bytes(plan_bytes(Places(store=folder / "store").plan("ci")))
        (folder / "rows.csv").write_bytes(gzip.decompress((published / "rows.csv.gz").read_bytes()))
        shutil.copy(published / "summary.json", folder)
        (folder / "ci.tar.gz").write_bytes(bundle_of(folder))
        files = archive.unpack(folder / "ci.tar.gz")
    del files[archive.MANIFEST]
    return files


@cache
def _here() -> dict[str, Any]:
    return environment()


def seeds() -> Iterable[bytes]:
    """A small tar, and every member, as bytes after its name and as a document."""
    _here()
    yield gzip.decompress(archive.pack({name: _whole()[name] for name in (archive.HEADER, archive.LOCK)}))
    for name, content in _whole().items():
        if name.endswith((".json", ".yaml")):
            document = yaml.safe_load(content)
            content = json.dumps(_shorter(document) if name == archive.SUMMARY else document).encode()
            yield b'{"%b": %b}' % (name.encode(), content)
        yield name.encode() + b"\n" + b"\n".join(content.splitlines()[:6])


def _shorter(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary with one entry in each of its lists."""
    return {key: value[:1] if isinstance(value, list) else value for key, value in summary.items()}


def read(data: bytes, folder: Path) -> None:
    """As ``clbench reproduce --from`` does before it trains."""
    file = folder / "x.tar.gz"
    file.write_bytes(_packed(data))
    bundle = read_bundle(file)
    differences(bundle, _here())
    expectation(bundle, _here())
    rerun_plan(bundle, Places(store=folder / "store", data=folder / "data"), trust=True)


def _packed(data: bytes) -> bytes:
    """A tar compressed; one or more members packed among those of the published bundle; all else as it is."""
    if data[USTAR] == b"ustar":
        return gzip.compress(data)
    members = dict(_members(data))
    return archive.pack({**_whole(), **members}) if members else data


def _members(data: bytes) -> Iterable[tuple[str, bytes]]:
    name, _, content = data.partition(b"\n")
    try:
        said = json.loads(data) if data.startswith(b"{") else {name.decode(): content}
    except (ValueError, RecursionError):
        return
    for name, value in said.items():
        if archive.MEMBER.fullmatch(name):
            yield name, value if isinstance(value, bytes) else json.dumps(value).encode()
