"""Cards of tasks, written from what nnU-Net datasets say of themselves."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clbench.definitions.cards import TaskCard
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.described import SAID, read_description, said_by
from clbench.definitions.places import DataPlaces
from clbench.definitions.slugs import slug
from clbench.definitions.sources import PREFIXES, NnunetSource
from clbench.errors import ClbenchError, MissingEnvironment
from clbench.scaffold.suite import Suite, flow

FOLDER = re.compile(r"(?:Dataset|Task)(\d+)_(.+)")

CARD = """\
# clbench show {name}
name: {name}
version: 1                       # raise it whenever results would change
title: {title}
source: {source}
# What dataset.json says; the files themselves are read where they are and never changed.
modality: {modality}
original_labels: {original}
cases: {cases}
# What is learnt and measured, in the order of the network's channels: here each label apart. {{lesion: [1, 2]}} would
# merge two numbers into one label; a number that no label collects is background.
labels: {labels}
"""


@dataclass(frozen=True)
class Dataset:
    """An nnU-Net dataset on this machine.

    Attributes:
        kind: of the source.
        folder: where it lies.
        reference: what a card calls it.
    """

    kind: str
    folder: Path
    reference: str

    @property
    def names(self) -> tuple[str, str]:
        """What its task may be called: by its folder's name, and with its number if that is taken."""
        found = FOLDER.fullmatch(self.folder.name)
        number, words = found.groups() if found else ("own", self.folder.name)
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", words)
        name = slug(words, "A-Za-z0-9.").lower() or "task"
        return name, f"{name}-{number}"


def find_dataset(reference: str, places: DataPlaces) -> Dataset:
    """The dataset with this number, folder's name or path.

    Raises:
        MissingEnvironment: there is none, or there are several.
    """
    for kind, prefix in PREFIXES.items():
        folder = places.nnunet(reference, prefix)
        if folder and folder.name.startswith(prefix) and (folder / "dataset.json").is_file():
            by_name = places.nnunet(folder.name, prefix)
            return Dataset(kind, folder, folder.name if by_name == folder else str(folder))
    raise MissingEnvironment(
        f"there is no nnU-Net dataset {reference!r} with a dataset.json: looked in {places.searched(reference)}; "
        "give its number, its folder's name, or a path with a slash in it"
    )


def task_of(
    dataset: Dataset, catalogue: Catalogue, places: DataPlaces, taken: Collection[str] = ()
) -> tuple[str, bool]:
    """The name of a dataset's task, and whether its card is there already; ``taken`` are names of others."""
    for name in dataset.names:
        if name in taken:
            continue
        if catalogue.find("task", name) is None:
            return name, False
        if _folder(catalogue.task(name), places) == dataset.folder:
            return name, True
    raise ClbenchError(f"there are tasks {' and '.join(dataset.names)} already, of other data; `clbench new task` "
                       f"writes a card under another name, which --from takes as well")  # fmt: skip


def _folder(card: TaskCard, places: DataPlaces) -> Path | None:
    if not isinstance(card.source, NnunetSource):
        return None
    return places.nnunet(card.source.dataset, card.source.prefix)


def write_task(suite: Suite, name: str, source: str) -> list[Path]:
    """Write the card of one dataset.

    Raises:
        ClbenchError: the name is taken, or no card can be made of the dataset.
    """
    file = suite.new_file("task", name)
    suite.write({file: card_text(name, find_dataset(source, suite.data))})
    return [file]


def card_text(name: str, dataset: Dataset) -> str:
    """A card with all that its dataset says written out.

    Raises:
        MissingEnvironment: ``dataset.json`` can't be read or lacks something.
    """
    file = dataset.folder / "dataset.json"
    content = read_description(file)
    said = said_by(content, file)
    if lacking := [key for key in SAID if key not in said]:
        raise MissingEnvironment(f"{file}: says nothing of {', '.join(lacking)}")
    card = _checked(file, name, dataset, said, str(content.get("licence") or content.get("license") or ""))
    modality = card.modality[0] if len(card.modality) == 1 else card.modality
    return CARD.format(
        name=name, title=flow(card.title), source=flow(card.source.model_dump(exclude_none=True)),
        modality=flow(modality), original=flow(card.original_labels), cases=card.cases, labels=flow(card.labels),
    )  # fmt: skip


def _checked(file: Path, name: str, dataset: Dataset, said: dict[str, Any], licence: str) -> TaskCard:
    source = {"kind": dataset.kind, "dataset": dataset.reference, "licence": licence or None}
    title = f"{dataset.names[0].replace('-', ' ').capitalize()} ({dataset.folder.name})"
    card = {"name": name, "version": 1, "title": title, "source": source, "labels": "separate"} | said
    try:
        return TaskCard.model_validate(card)
    except ValidationError as error:
        first = error.errors()[0]
        key = {"modality": "channel_names", "original_labels": "labels", "cases": "numTraining"}
        where = ".".join(map(str, (key.get(str(first["loc"][0]), first["loc"][0]), *first["loc"][1:])))
        raise MissingEnvironment(f"{file}: no card can be made of it: {where}: {first['msg']}") from None
