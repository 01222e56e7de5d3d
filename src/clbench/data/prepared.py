"""A prepared task on this machine: where its files are, and whether they are still those of its manifest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clbench.data.dataset import RawCase, RawDataset
from clbench.definitions.cards import TaskCard
from clbench.definitions.places import DataPlaces
from clbench.errors import CorruptArtifact
from clbench.store import Json, digest, read_sealed, write_sealed

FORMAT = 2
MANIFEST, INDEX = "manifest.json", "index.json"


def described_by(card: TaskCard) -> str:
    """Digest of what a card says about its files; its name, and the labels that are learnt, are not among it."""
    return digest([card.source.model_dump(mode="json"), card.original_labels, card.modality, card.cases])


@dataclass(frozen=True)
class Index:
    """Where a prepared task's files are.

    Attributes:
        dataset: the dataset as nnU-Net sees it.
        card: digest of the card that it was prepared by.
        watched: size and time of change of every file and folder that it was made from.
    """

    dataset: RawDataset
    card: str
    watched: dict[str, tuple[int, int]]

    def holds(self, card: TaskCard) -> bool:
        """Whether it was prepared by this card, and no file or folder changed since."""
        try:
            return self.card == described_by(card) and self.watched == watch(map(Path, self.watched))
        except OSError:
            return False

    def write(self, file: Path) -> None:
        """Write it; from then on the task counts as prepared."""
        cases = {case.id: [*map(str, case.images), str(case.label)] for case in self.dataset.cases}
        content = {
            "format": FORMAT, "folder": str(self.dataset.folder), "manifest": self.dataset.manifest,
            "card": self.card, "cases": cases, "watched": self.watched, "notes": list(self.dataset.notes),
            "axes": self.dataset.axes,
        }  # fmt: skip
        write_sealed(file, content)


def read_index(card: TaskCard, places: DataPlaces) -> Index | None:
    """The index of a task that is prepared as its card says, from files that did not change; else None."""
    try:
        found = read_sealed(places.prepared(card.name) / INDEX)
        index = _index(found) if found["format"] == FORMAT else None
    except (OSError, CorruptArtifact, ValueError, KeyError, TypeError):
        return None
    return index if index and index.holds(card) else None


def _index(found: Json) -> Index:
    cases = (RawCase(id, tuple(map(Path, files[:-1])), Path(files[-1])) for id, files in found["cases"].items())
    dataset = RawDataset(
        Path(found["folder"]), tuple(cases), found["manifest"], tuple(found["notes"]), dict(found["axes"])
    )
    watched = {path: (size, changed) for path, (size, changed) in found["watched"].items()}
    return Index(dataset, found["card"], watched)


def watch(paths: Iterable[Path]) -> dict[str, tuple[int, int]]:
    """Size and time of change of files; of folders the time alone, since their size means nothing.

    Raises:
        OSError: one of them is not there.
    """
    found = {}
    for path in paths:
        stat = os.stat(path)
        found[str(path)] = (0 if path.is_dir() else stat.st_size, stat.st_mtime_ns)
    return found


def sources_of(cases: Sequence[RawCase], descriptions: Sequence[Path]) -> list[Path]:
    """Everything whose change means that a dataset has to be looked at again."""
    files = [path for case in cases for path in (*case.images, case.label)]
    return sorted({*files, *descriptions, *(path.parent for path in files)})
