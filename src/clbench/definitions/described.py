"""What a user's own dataset says of itself, so that its card need not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clbench.definitions.json_source import read_json
from clbench.definitions.places import DataPlaces
from clbench.definitions.sources import OWN_KINDS, DatalistSource, NnunetSource
from clbench.definitions.yaml_source import Document
from clbench.errors import MissingEnvironment

SAID = ("modality", "original_labels", "cases")
"""The keys of a card that a dataset may know."""
LISTS = ("training", "validation")
"""The keys under which a dataset lists labelled cases."""


def completed(document: Document, places: DataPlaces) -> Document:
    """A card's document with what its dataset knows and the card leaves out.

    Raises:
        MissingEnvironment: something is left out, and the dataset is not there or can't be read.
    """
    source = own_source(document.data.get("source"))
    if source is None:
        return document
    known = {"labels": "separate"}
    if lacking := [key for key in SAID if key not in document.data]:
        known |= _description(source, places, document.file, lacking)
    return replace(document, data=known | document.data)


def own_source(written: Any) -> NnunetSource | DatalistSource | None:
    """The source of a card, if it is one that describes itself and nothing is wrong with it."""
    if not isinstance(written, dict) or written.get("kind") not in OWN_KINDS:
        return None
    model = DatalistSource if written["kind"] == "datalist" else NnunetSource
    try:
        return model.model_validate(written)
    except ValidationError:
        return None


def description_file(source: NnunetSource | DatalistSource, places: DataPlaces) -> Path:
    """The JSON file in which a dataset describes itself.

    Raises:
        MissingEnvironment: it is not there; the message says where it was looked for.
    """
    if isinstance(source, DatalistSource):
        file = places.path(source.path)
        missing = f"there is no datalist {file}"
    else:
        folder = places.nnunet(source.dataset, source.prefix)
        file = (folder or Path()) / "dataset.json"
        searched = f"{folder} has no dataset.json" if folder else f"looked in {places.searched(source.dataset)}"
        missing = f"there is no nnU-Net dataset {source.dataset!r}: {searched}"
    if not file.is_file():
        raise MissingEnvironment(missing)
    return file


def read_description(file: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        MissingEnvironment: it can't be read, or is something else.
    """
    try:
        found = read_json(file)
    except ValueError as error:
        raise MissingEnvironment(str(error)) from error
    if not isinstance(found, dict):
        raise MissingEnvironment(f"{file}: must hold a JSON object")
    return found


def _description(
    source: NnunetSource | DatalistSource, places: DataPlaces, card: Path, lacking: list[str]
) -> dict[str, Any]:
    try:
        file = description_file(source, places)
    except MissingEnvironment as error:
        raise MissingEnvironment(f"{card}: {', '.join(lacking)} left out, and {error}") from None
    return said_by(read_description(file), file, lacking)


def said_by(found: Mapping[str, Any], file: Path, keys: Collection[str] = SAID) -> dict[str, Any]:
    """What a ``dataset.json`` or datalist knows of a card's ``keys``.

    Raises:
        MissingEnvironment: its labels are wanted and of a kind that clbench can't take over.
    """
    said: dict[str, Any] = {}
    if channels := found.get("channel_names") or found.get("modality"):
        key = "channel_names" if found.get("channel_names") else "modality"
        named = in_order(channels, key, file) if isinstance(channels, dict) else channels
        said["modality"] = named if isinstance(named, list) else [named]
    if "original_labels" in keys and isinstance(found.get("labels"), dict):
        said["original_labels"] = foreground(found["labels"], file)
    if count := _count(found):
        said["cases"] = count
    return {key: said[key] for key in keys if key in said}


def in_order(channels: Mapping[str, Any], key: str, file: Path) -> list[str]:
    """The names of channels in the order of their numbers.

    Raises:
        MissingEnvironment: they are not written number → name.
    """
    numbers = {str(number): name for number, name in channels.items()}
    if set(numbers) != {str(place) for place in range(len(numbers))}:
        example = ", ".join(f'"{place}": "{name}"' for place, name in enumerate(list(numbers)[:2]))
        raise MissingEnvironment(
            f"{file}: {key} must map the numbers 0, 1, … as texts to names, not {dict(channels)!r}; for instance "
            f"{{{example}}}"
        )
    if odd := [name for name in numbers.values() if not isinstance(name, str) or not name]:
        raise MissingEnvironment(f"{file}: {key} must have names, not {odd[0]!r}")
    return [numbers[str(place)] for place in range(len(numbers))]


def _count(found: Mapping[str, Any]) -> Any:
    """How many labelled cases there are; nnU-Net goes by files or by ``dataset``, and has no use for other lists."""
    if isinstance(found.get("dataset"), dict):
        return len(found["dataset"])
    listed, said = len(listed_cases(found)), found.get("numTraining")
    return said or listed if "file_ending" in found else listed or said


def listed_cases(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The entries of the lists of cases that a ``dataset.json`` or datalist has, each after its place."""
    lists = {key: found[key] for key in LISTS if isinstance(found.get(key), list)}
    return [(f"{key}[{index}]", entry) for key, entries in lists.items() for index, entry in enumerate(entries)]


def has_regions(labels: Any) -> bool:
    """Whether a ``dataset.json`` has regions or an ignored label, which no card can take over."""
    return isinstance(labels, dict) and ("ignore" in labels or any(isinstance(v, list) for v in labels.values()))


def foreground(labels: Mapping[str, Any], file: Path) -> dict[str, int]:
    """Names and numbers of the labels, written either way round, background left out.

    Raises:
        MissingEnvironment: there are regions or an ignored label.
    """
    if has_regions(labels):
        raise MissingEnvironment(
            f"{file}: has regions or an ignored label; write `original_labels` and `labels` in the task's card, "
            "each number of the label files with its name"
        )
    try:
        pairs = [(k, int(v)) if not str(k).isdigit() else (str(v), int(k)) for k, v in labels.items()]
    except (TypeError, ValueError, OverflowError):
        raise MissingEnvironment(f"{file}: labels must be names with whole numbers") from None
    return {name: number for name, number in sorted(pairs, key=lambda pair: pair[1]) if number != 0}
