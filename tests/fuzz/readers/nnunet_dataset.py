"""``dataset.json`` of nnU-Net's raw datasets, of both versions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from clbench.data.sources.nnunet import tree
from clbench.definitions.described import read_description, said_by
from clbench.definitions.sources import NnunetSource
from clbench.errors import ClbenchError

SOURCES = [NnunetSource(kind="nnunet", dataset="x"), NnunetSource(kind="nnunet-v1", dataset="x")]


def seeds() -> Iterable[bytes]:
    """With cases that are found, and with listed ones."""
    second = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "file_ending": ".nii.gz"}
    yield json.dumps({**second, "numTraining": 1}).encode()
    listed = {"a": {"images": ["imagesTr/a_0000.nii.gz"], "label": "../b"}}
    yield json.dumps({**second, "dataset": listed, "overwrite_image_reader_writer": "SimpleITKIO"}).encode()
    yield json.dumps({"modality": {"0": "CT", "1": "MR"}, "labels": {"0": "background", "1": "a"}}).encode()
    yield json.dumps({**second, "labels": {"a": [1, 2], "ignore": 3}}).encode()


def read(data: bytes, folder: Path) -> None:
    """As ``clbench data prepare`` and ``clbench new`` do."""
    file = folder / "dataset.json"
    file.write_bytes(data)
    for name in ("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"):
        (folder / name).parent.mkdir()
        (folder / name).touch()
    for look in (lambda: said_by(read_description(file), file), *(partial(tree, s, folder) for s in SOURCES)):
        with suppress(ClbenchError):
            look()
