"""Inputs that fuzzing found, each of which once ended in a traceback, a full memory or a wait."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest

from fuzz.readers import reader
from fuzz.sandbox import Sandbox

LONG = "x" * 300
CASE = {"shape": [1, 1, 1], "spacing": [1.0, 1.0, 1.0], "orientation": "RAS", "labels": {"0": 1}}
MANIFEST = {"format": 1, "labels": {}, "channels": [], "reader": None}


def _json(**content: object) -> bytes:
    return json.dumps(content).encode()


FINDINGS = {
    "a checksum in a compressed tar that does not fit": ("archive", gzip.compress(bytes(2048))[:-8] + b"\1" * 8),
    "a name in a tar with a zero in it": ("archive", b"Task03_Liver/a\0b".ljust(512, b"\0")),
    "a task's name longer than a file's": ("benchmark", b"name: x\nextends: ci\nsequence: [" + LONG.encode() + b"]"),
    "a task's name with a zero in it": ("benchmark", b'name: x\nextends: ci\nsequence: ["a\\0"]'),
    "lists without end in a definition": ("benchmark", b"a: " + b"[" * 16000),
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
    "a checkpoint that ends in its header": ("checkpoint", b"PK\3\4"),
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
