"""A raw dataset in nnU-Net v2's layout: what every source becomes, and all that preparation needs of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from clbench.store import Json


@dataclass(frozen=True)
class RawCase:
    """One labelled case of a raw dataset.

    Attributes:
        id: its name, unique in the dataset.
        images: one file per channel.
        label: the label file, in the source's own numbers.
        reader: the reader of nnU-Net's that a run reads it with; empty for nnU-Net's first one for its ending.
    """

    id: str
    images: tuple[Path, ...]
    label: Path
    reader: str = ""


@dataclass(frozen=True)
class RawDataset:
    """A folder ``DatasetNNN_Name/{imagesTr,labelsTr,dataset.json}``, links or files.

    Attributes:
        folder: the dataset's folder.
        cases: its labelled cases, sorted by id.
        notes: what is odd about it though it can be used, in sentences.
        axes: how many cases are read with which axes, such as RAS; empty for generated data.
        manifest: digest of the manifest of every case's bytes and geometry; empty for generated data, whose card
            already determines them.
    """

    folder: Path
    cases: tuple[RawCase, ...]
    manifest: str = ""
    notes: tuple[str, ...] = ()
    axes: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def description(self) -> Json:
        """``dataset.json``: channels, the source's label scheme, file ending and reader."""
        return dict(json.loads((self.folder / "dataset.json").read_text()))

    @cached_property
    def by_id(self) -> Mapping[str, RawCase]:
        """The cases by their ids."""
        return {case.id: case for case in self.cases}
