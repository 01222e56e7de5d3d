"""Inputs that fuzzing found, each of which once ended in a traceback, a full memory or a wait."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Iterator

import pytest

from fuzz.readers import reader
from fuzz.sandbox import Sandbox

LONG = "x" * 300
CASE = {"shape": [1, 1, 1], "spacing": [1.0, 1.0, 1.0], "orientation": "RAS", "labels": {"0": 1}}
MANIFEST = {"format": 1, "labels": {}, "channels": [], "reader": None}


def _json(**content: object) -> bytes:
    return json.dumps(content).encode()


def _header(**extended: str) -> bytes:
    """An entry of a tar, and nothing behind it."""
    entry = tarfile.TarInfo("Task03_Liver/a")
    entry.pax_headers = extended
    return entry.tobuf(tarfile.PAX_FORMAT)


FINDINGS = {
    "a checksum in a compressed tar that does not fit": ("archive", gzip.compress(_header())[:-8] + b"\1" * 8),
    "a name in a tar with a zero in it": ("archive", _header(path="Task03_Liver/a\0b")),
    "a task's name longer than a file's": ("benchmark", b"name: x\nextends: ci\nsequence: [" + LONG.encode() + b"]"),
    "lists without end in a definition": ("benchmark", b"a: " + b"[" * 40_000),
    "a file's name that is too long, in a datalist": ("datalist", _json(training=[{"image": LONG, "label": "b"}])),
    "a label that is no finite number": ("nnunet_dataset", b'{"labels": {"a": Infinity}}'),
    "a manifest whose cases have no checksums": ("manifest", _json(**MANIFEST, cases={"case": CASE})),
    "a manifest whose cases are a number": ("manifest", _json(**MANIFEST, cases=1)),
    "half a character in a manifest": ("manifest", _json(**MANIFEST, cases={"\ud800": {"sha256": {}}})),
    "a sealed number": ("result", b"1"),
    "a sealed document that vouches for nothing": ("result", b"{}"),
    "rows whose compression is damaged": ("rows", gzip.compress(b"a" * 500)[:10] + b"\xff" * 20),
    "a score too large for a number": (
        "evaluations", _json(metric_per_case=[{"metrics": {"1": {"Dice": 10**400}}}]),
    ),
    "scores whose sum is too large for a number": (
        "evaluations", _json(metric_per_case=[{"metrics": {"1": {"Dice": 1e308}}}] * 3),
    ),
    "a checkpoint whose pickle takes from nothing": ("checkpoint", b"\x80\x02a."),
}  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Where inputs are read."""
    made = Sandbox()
    yield made
    made.close()


@pytest.mark.parametrize("finding", FINDINGS)
def test_what_was_found_once_is_refused_in_words(sandbox: Sandbox, finding: str) -> None:
    name, data = FINDINGS[finding]
    assert sandbox.complaint(reader(name), data) is None
