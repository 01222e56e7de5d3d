"""nnU-Net's raw datasets: ``Dataset123_Name`` of version 2, used where it is, and ``Task123_Name`` of version 1."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from clbench.data.dataset import RawCase
from clbench.data.problems import CaseProblem
from clbench.data.sources.tree import Tree, dataset_name, ending_of, gathered, visible
from clbench.definitions.described import has_regions, in_order, read_description, said_by
from clbench.definitions.places import DataPlaces
from clbench.definitions.sources import NnunetSource
from clbench.errors import MissingEnvironment

BEHIND = r"(?i:[._-](seg|label|mask|gt|segmentation)|[._-]?0000)"
"""What people write behind the id of a label."""
CHANNEL = re.compile(r"(.+)_(\d{4})")


def locate(source: NnunetSource, places: DataPlaces) -> Path | None:
    """The dataset's folder, in the user's own folders of raw datasets or in the data folder."""
    return places.nnunet(source.dataset, source.prefix)


def tree(source: NnunetSource, folder: Path) -> Tree:
    """The cases of either version.

    Raises:
        MissingEnvironment: ``dataset.json`` is missing, or lacks what nnU-Net asks for.
    """
    file = folder / "dataset.json"
    found = read_description(file)
    second = source.kind == "nnunet"
    ending = _ending(found, file) if second else ".nii.gz"
    channels = _channels(found, file, "channel_names" if second else "modality")
    listed = found.get("dataset") if second else None
    entries = _listed(file, listed) if isinstance(listed, dict) else _found(folder, ending, len(channels))
    cases, problems = gathered(entries)
    problems += () if isinstance(listed, dict) else _other_endings(folder, file, ending)
    return Tree(
        folder, folder.name if second else dataset_name(folder.name, 500), tuple(cases), tuple(problems),
        None if has_regions(found.get("labels")) else said_by(found, file).get("original_labels"), channels, ending,
        found.get("overwrite_image_reader_writer"), in_place=second, descriptions=(file,),
    )  # fmt: skip


def _ending(found: Mapping[str, Any], file: Path) -> str:
    ending = found.get("file_ending")
    if not isinstance(ending, str) or not ending.startswith("."):
        found_as = f"file_ending is {ending!r} and must begin with a dot" if ending else "must have a file_ending"
        raise MissingEnvironment(f'{file}: {found_as}, for instance ".nii.gz"')
    return ending


def _channels(found: Mapping[str, Any], file: Path, key: str) -> tuple[str, ...]:
    channels = found.get(key)
    if not isinstance(channels, dict) or not channels:
        raise MissingEnvironment(f'{file}: must have {key}, for instance {{"0": "CT"}}')
    return tuple(in_order(channels, key, file))


def _listed(file: Path, listed: Mapping[str, Any]) -> Iterator[tuple[RawCase, list[CaseProblem]]]:
    """The cases of a ``dataset.json`` that names their files."""

    def path(text: str) -> Path:
        return Path(os.path.abspath(file.parent / os.path.expandvars(text)))

    for id, entry in listed.items():
        images, label = (entry.get("images"), entry.get("label")) if isinstance(entry, dict) else (None, None)
        if _are_paths(images) and isinstance(label, str):
            yield RawCase(id, tuple(map(path, images)), path(label)), []
        else:
            problem = CaseProblem(id, file, "must have images, a list of paths, and a label, a path")
            yield RawCase(id, (), file.parent), [problem]


def _are_paths(images: Any) -> TypeGuard[list[str]]:
    return isinstance(images, list) and bool(images) and all(isinstance(image, str) for image in images)


def _meant(id: str, labels: set[str]) -> str | None:
    """The label that is called after a case with something behind it, as Slicer's ``ID.seg.nrrd``."""
    return next((label for label in sorted(labels) if re.fullmatch(re.escape(id) + BEHIND, label)), None)


def _other_endings(folder: Path, file: Path, ending: str) -> Iterator[CaseProblem]:
    """A ``file_ending`` that no file has."""
    images = visible(folder / "imagesTr")
    if images and not any(image.name.endswith(ending) for image in images):
        others = Counter(ending_of(image) or image.suffix for image in images).most_common()
        there = ", ".join(f"{count} in {other or 'none'}" for other, count in others[:5])
        yield CaseProblem("", file, f"file_ending is {ending!r}, and no file in imagesTr ends so; there are {there}")


def _found(folder: Path, ending: str, channels: int) -> Iterator[tuple[RawCase, list[CaseProblem]]]:
    """The cases that have images or a label in the folders."""
    images = defaultdict[str, dict[int, Path]](dict)
    for file in visible(folder / "imagesTr", ending):
        stem = file.name.removesuffix(ending)
        if match := CHANNEL.fullmatch(stem):
            images[match[1]][int(match[2])] = file
        else:
            message = "must end in _ and the channel's number in four digits, such as _0000, before its ending"
            yield RawCase(stem, (), folder), [CaseProblem(stem, file, message)]
    labels = {file.name.removesuffix(ending) for file in visible(folder / "labelsTr", ending)}
    meant = {id: _meant(id, labels) for id in images if id not in labels}
    labels -= set(meant.values())
    for id in sorted(labels | set(images)):
        if label := meant.get(id):
            message = f"the label is called so, and nnU-Net looks for {id}{ending}; rename it"
            yield RawCase(id, (), folder), [CaseProblem(id, folder / "labelsTr" / f"{label}{ending}", message)]
            continue
        wanted = tuple(folder / "imagesTr" / f"{id}_{channel:04d}{ending}" for channel in range(channels))
        extra = [path for channel, path in images[id].items() if channel >= channels]
        message = f"dataset.json names {channels} channels, and this is one more"
        problems = [CaseProblem(id, path, message) for path in extra]
        yield RawCase(id, wanted, folder / "labelsTr" / f"{id}{ending}"), problems
