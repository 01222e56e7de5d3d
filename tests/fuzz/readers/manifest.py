"""A dataset's manifest, for ``clbench data verify --against FILE``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from clbench.data.manifest import PROVES, differences, make_manifest, manifest_bytes, read_manifest
from clbench.store import digest

FACTS = {"sha256": "0" * 64, "shape": [1, 1, 1], "spacing": [1.0, 1.0, 1.0], "orientation": "RAS", "values": {"0": 1}}
OURS = make_manifest("x", {}, {"a": 1}, ["CT"], None, {"case": (FACTS, FACTS)})


def seeds() -> Iterable[bytes]:
    """A small one."""
    yield manifest_bytes(OURS)


def read(data: bytes, folder: Path) -> None:
    """Hold a dataset against it; its digest fits whatever it says, as a stranger would have it."""
    file = folder / "manifest.json"
    try:
        document = json.loads(data)
        document["digest"] = digest({key: document[key] for key in PROVES})
        file.write_text(json.dumps(document))
    except (ValueError, KeyError, TypeError, RecursionError):
        file.write_bytes(data)
    differences(OURS, read_manifest(file))
