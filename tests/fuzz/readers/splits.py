"""nnU-Net's ``splits_final.json``, which a benchmark may take its cases from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from clbench.definitions.catalogue import Catalogue
from clbench.definitions.resolve import resolve

BENCHMARK = """
extends: ci
name: x
version: 1
title: x
sample: {ids: {mini-spleen: {file: splits.json, fold: 0}}}
"""


def seeds() -> Iterable[bytes]:
    """Of two folds."""
    fold = {"train": ["spleen_000", "spleen_001"], "val": ["spleen_002"]}
    yield json.dumps([fold, fold]).encode()


def read(data: bytes, folder: Path) -> None:
    """As ``clbench validate`` does."""
    (folder / "splits.json").write_bytes(data)
    (folder / "x.yaml").write_text(BENCHMARK)
    resolve(folder / "x.yaml", Catalogue.open())
