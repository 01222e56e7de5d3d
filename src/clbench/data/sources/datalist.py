"""Cases that a JSON file lists as MONAI's tools do: ``{"training": [{"image": …, "label": …}, …], …}``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clbench.data.dataset import RawCase
from clbench.data.problems import CaseProblem
from clbench.data.sources.tree import Tree, dataset_name, ending_of, gathered, stem_of
from clbench.definitions.described import listed_cases, read_description, said_by
from clbench.definitions.places import DataPlaces
from clbench.definitions.sources import DatalistSource
from clbench.errors import MissingEnvironment

NUMBER = 500


def locate(source: DatalistSource, places: DataPlaces) -> Path | None:
    """The JSON file."""
    file = places.path(source.path)
    return file if file.is_file() else None


def tree(source: DatalistSource, file: Path) -> Tree:
    """The cases of both lists, which the benchmark's definition splits anew.

    Raises:
        MissingEnvironment: the file is no such list.
    """
    found = read_description(file)
    listed = listed_cases(found)
    if not listed:
        raise MissingEnvironment(f"{file}: must list cases as `training` or `validation`")
    root = (file.parent / Path(source.root or "").expanduser()).absolute()
    cases, problems = gathered(_entry(file, root, place, entry) for place, entry in listed)
    endings = {ending_of(path) for case in cases for path in (*case.images, case.label)}
    problems += list(_mixed(file, endings))
    said = said_by(found, file)
    channels = tuple(map(str, said["modality"])) if "modality" in said else None
    return Tree(
        root, dataset_name(file.stem, NUMBER), tuple(cases), tuple(problems), said.get("original_labels"), channels,
        min(endings, default=".nii.gz"), descriptions=(file,),
    )  # fmt: skip


def _mixed(file: Path, endings: set[str]) -> Iterator[CaseProblem]:
    if len(endings) > 1 or "" in endings:
        names = ", ".join(sorted(ending or "an unknown ending" for ending in endings))
        yield CaseProblem("", file, f"files must all have one ending that nnU-Net reads, not {names}")


def _entry(file: Path, root: Path, place: str, entry: Any) -> tuple[RawCase, list[CaseProblem]]:
    """One listed case; it is called as its key ``id`` says, or else as its image's file."""
    images = entry.get("image") if isinstance(entry, dict) else None
    paths = [images] if isinstance(images, str) else images
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) for path in paths):
        return RawCase(place, (), root), [CaseProblem(place, file, "must have an image: a path, or one per channel")]
    first = root / paths[0]
    id = str(entry.get("id") or re.sub(r"_0000$", "", stem_of(first)))
    label, problem = _label(entry, place)
    written = [*paths, label] if label else paths
    if any("\\" in path and not (root / path).exists() for path in written):
        id = re.sub(r".*\\", "", id)
        problem = f"{place} has a path with backslashes, which is none here; write / for each"
    if problem or label is None:
        return RawCase(id, (), root), [CaseProblem(id, file, problem or "")]
    return RawCase(id, tuple(root / path for path in paths), root / label), []


def _label(entry: dict[str, Any], place: str) -> tuple[str | None, str | None]:
    """The label's path, also of a list of one; or what is wrong with it."""
    label = entry.get("label")
    if isinstance(label, list) and len(label) == 1:
        label = label[0]
    if isinstance(label, list):
        return None, f"{place}.label lists {len(label)} files; all labels of a case must be in one"
    if label is None:
        return None, f"{place} has no label"
    return (label, None) if isinstance(label, str) else (None, f"{place}.label is {label!r} and must be a path")
