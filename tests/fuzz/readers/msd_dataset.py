"""``dataset.json`` of the Medical Segmentation Decathlon."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from clbench.data.sources.msd import tree
from clbench.definitions.sources import MsdSource

SOURCE = MsdSource(kind="msd", folder="Task03_Liver", url="https://x", md5="0" * 32, licence="x")


def seeds() -> Iterable[bytes]:
    """As it is published, shortened."""
    listed = [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}, {"image": "../../b", "label": "/c"}]
    yield json.dumps({
        "name": "Liver", "modality": {"0": "CT"}, "labels": {"0": "background", "1": "liver", "2": "cancer"},
        "numTraining": 2, "training": listed, "test": ["./imagesTs/c.nii.gz"],
    }).encode()  # fmt: skip


def read(data: bytes, folder: Path) -> None:
    """As ``clbench data prepare`` does."""
    (folder / "dataset.json").write_bytes(data)
    for name in ("imagesTr/a.nii.gz", "labelsTr/a.nii.gz"):
        (folder / name).parent.mkdir()
        (folder / name).touch()
    tree(SOURCE, folder)
