"""The Medical Segmentation Decathlon: ``TaskNN_Name/{imagesTr,labelsTr,dataset.json}``, or the tar of it.

What is odd about it is taken as it is: labels written number → name, paths that begin with ``./``, numbers that
are padded in one task and not in the other, AppleDouble files between the images, and imagesTs, which is not needed
and may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clbench.data.dataset import RawCase
from clbench.data.problems import CaseProblem
from clbench.data.sources.archive import unpacked
from clbench.data.sources.tree import Tree, dataset_name, gathered, stem_of
from clbench.data.telling import Telling
from clbench.definitions.described import read_description, said_by
from clbench.definitions.places import DataPlaces
from clbench.definitions.sources import MsdSource
from clbench.errors import MissingEnvironment

DESCRIPTION = "dataset.json"


def locate(source: MsdSource, places: DataPlaces) -> Path | None:
    """The unpacked folder, or else the tar, wherever it lies in the data folder."""
    name = source.folder
    folder = places.find(lambda folder: folder.name == name and (folder / "imagesTr").is_dir())
    return folder or archive(source, places)


def archive(source: MsdSource, places: DataPlaces) -> Path | None:
    """The tar, wherever it lies in the data folder."""
    tar = f"{source.folder}.tar"
    folder = places.find(lambda folder: (folder / tar).is_file())
    if folder is None and (places.downloads / tar).is_file():
        folder = places.downloads
    return folder / tar if folder else None


def unpack(source: MsdSource, place: Path, places: DataPlaces, telling: Telling) -> Path:
    """The folder itself, or what is in the tar.

    Raises:
        MissingEnvironment: the tar is not the published file, is broken, leads out of its folder, or does not fit.
    """
    return unpacked(source, place, places, telling) if place.is_file() else place


def tree(source: MsdSource, folder: Path) -> Tree:
    """The cases that ``dataset.json`` lists.

    Raises:
        MissingEnvironment: ``dataset.json`` is missing or broken.
    """
    file = folder / DESCRIPTION
    found = read_description(file)
    listed = found.get("training")
    if not isinstance(listed, list) or not listed:
        raise MissingEnvironment(f"{file}: must list the cases as `training`; is the dataset whole?")
    cases, problems = gathered(_entries(folder, listed))
    said = said_by(found, file)
    channels = tuple(map(str, said["modality"])) if "modality" in said else None
    return Tree(
        folder, dataset_name(source.folder, 500), tuple(cases), tuple(problems),
        said.get("original_labels"), channels, descriptions=(file,),
    )  # fmt: skip


def _entries(folder: Path, listed: list[Any]) -> Iterator[tuple[RawCase, list[CaseProblem]]]:
    for number, entry in enumerate(listed):
        if not isinstance(entry, dict) or not {"image", "label"} <= set(entry):
            id = f"training[{number}]"
            message = "must have an image and a label"
            yield RawCase(id, (), folder), [CaseProblem(id, folder / DESCRIPTION, message)]
            continue
        image = folder / str(entry["image"])
        yield RawCase(stem_of(image), (image,), folder / str(entry["label"])), []
