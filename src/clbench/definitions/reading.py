"""Cards read from their files and checked as far as that is possible without a benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from clbench.definitions.base import Record
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.described import completed
from clbench.definitions.models import RESERVED_BASELINES, AnatomySource, BaselineCard, TaskCard
from clbench.definitions.places import DataPlaces
from clbench.definitions.signatures import Signature, read_signature
from clbench.definitions.suggest import suggestion
from clbench.definitions.validation import checked
from clbench.definitions.yaml_source import Document, KeyPath, read_document
from clbench.errors import DefinitionError, Problem

Card = TypeVar("Card", bound=Record)
Finding = tuple[KeyPath, str]
"""A key path, and what is wrong with what is written there."""


@dataclass(frozen=True)
class Read(Generic[Card]):
    """A card and the document that it was written in."""

    document: Document
    value: Card


@dataclass(frozen=True)
class ReadBaseline(Read[BaselineCard]):
    """A baseline's card, its document, and the signature of its method."""

    signature: Signature


def read_task(file: Path, places: DataPlaces | None = None) -> Read[TaskCard]:
    """Read a task's card.

    Args:
        file: the card.
        places: where the user's own datasets are looked for; left out, where the environment says.

    Raises:
        DefinitionError: something is wrong with it; everything that is.
        MissingEnvironment: it leaves something out that its dataset would say, and the dataset is not there.
    """
    result = checked(TaskCard, completed(read_document(file), places or DataPlaces.default()))
    findings = [*stem_findings(file, result.usable), *_label_findings(result.usable)]
    findings += [*_mark_findings(result.usable), *_number_findings(result.usable)]
    problems = result.problems + located(result.document, findings)
    if problems or result.value is None:
        raise DefinitionError(problems)
    return Read(result.document, result.value)


def read_baseline(file: Path, catalogue: Catalogue) -> ReadBaseline:
    """Read a baseline's card and hold its settings against its method's.

    Raises:
        DefinitionError: something is wrong with the card or its method; everything that is.
    """
    result = checked(BaselineCard, read_document(file))
    problems = result.problems + located(result.document, stem_findings(file, result.usable))
    problems += located(result.document, _reserved_findings(result.usable))
    signature = _signature(result.document, result.usable, catalogue, problems)
    if signature:
        settings = result.usable.get("settings", {})
        problems += located(result.document, setting_findings(signature, settings, ("settings",)))
    if problems or result.value is None or signature is None:
        raise DefinitionError(problems)
    return ReadBaseline(result.document, result.value, signature)


def located(document: Document, findings: Iterable[Finding]) -> list[Problem]:
    """Findings as problems with file and line."""
    return [document.problem(path, message) for path, message in findings]


def stem_findings(file: Path, usable: Mapping[str, Any]) -> Iterator[Finding]:
    """A name that is not its file's."""
    name = usable.get("name")
    if name is not None and name != file.stem:
        yield ("name",), f"is {name!r} in a file called {file.name}; the two must agree"


def setting_findings(signature: Signature, settings: Mapping[str, Any], path: KeyPath) -> Iterator[Finding]:
    """Settings that the method does not have or that have a wrong value; a tuple is several values."""
    for name, written in settings.items():
        if name not in signature.settings or not isinstance(written, tuple):
            values = [((*path, name), written)]
        else:
            values = [((*path, name, index), value) for index, value in enumerate(written)]
        for where, value in values:
            if message := signature.problem(name, value):
                yield where, message


def _signature(
    document: Document, usable: Mapping[str, Any], catalogue: Catalogue, problems: list[Problem]
) -> Signature | None:
    method = usable.get("method")
    if method is None:
        return None
    file = catalogue.find("method", method)
    if file is None:
        problems.append(document.problem(("method",), catalogue.unknown("method", method)))
        return None
    try:
        return read_signature(file)
    except DefinitionError as error:
        problems += error.problems
        return None


def _reserved_findings(usable: Mapping[str, Any]) -> Iterator[Finding]:
    if usable.get("name") in RESERVED_BASELINES:
        yield ("name",), f"{usable['name']!r} stands for a protocol; give the baseline another name"


def _label_findings(usable: Mapping[str, Any]) -> Iterator[Finding]:
    """Labels that collect nothing, something that does not exist, or what another one has already."""
    original = usable.get("original_labels", {})
    yield from _original_findings(original)
    owner: dict[int, str] = {}
    for label, values in usable.get("labels", {}).items():
        if label in ("background", "ignore"):
            yield ("labels", label), "is nnU-Net's own word; give the label another name"
        if not values:
            yield ("labels", label), f"collects no original value; {_choice(original)}"
        for index, value in enumerate(values):
            path = ("labels", label, index)
            if original and value not in original.values():
                yield path, f"{value} is not among original_labels; {_choice(original)}"
            if value in owner:
                yield path, f"{value} is already part of label {owner[value]!r}; keep it in one place"
            owner.setdefault(value, label)


def _original_findings(original: Mapping[str, int]) -> Iterator[Finding]:
    names: dict[int, str] = {}
    for name, value in original.items():
        if value < 1:
            yield ("original_labels", name), f"{value} is background; list foreground values, from 1"
        if value in names:
            yield ("original_labels", name), f"{value} already means {names[value]!r}"
        names.setdefault(value, name)


def _number_findings(usable: Mapping[str, Any]) -> Iterator[Finding]:
    """Embedded tasks that do not say how many cases there are: there is no dataset to count them in."""
    if isinstance(usable.get("source"), AnatomySource) and usable.get("cases") is None:
        yield ("cases",), "is missing; say how many cases are to be generated"


def _mark_findings(usable: Mapping[str, Any]) -> Iterator[Finding]:
    """Names that an embedded source marks and the card does not number, and labels that it never marks."""
    source, original = usable.get("source"), usable.get("original_labels")
    if not isinstance(source, AnatomySource) or not original:
        return
    unnumbered = [name for name in source.marked if name not in original]
    for name in unnumbered:
        key = "organs" if name in source.organs else "lesions"
        yield ("source", key, name), f"has no number; {suggestion(name, original)} in original_labels"
    if not unnumbered:
        yield from _empty_label_findings(usable.get("labels", {}), source, original)


def _empty_label_findings(
    labels: Mapping[str, tuple[int, ...]], source: AnatomySource, original: Mapping[str, int]
) -> Iterator[Finding]:
    """Labels that no case can contain, since the source marks none of their values."""
    marked = {original[name] for name in source.marked}
    for label, values in labels.items():
        if values and marked.isdisjoint(values) and set(values) <= set(original.values()):
            names = ", ".join(name for name, value in original.items() if value in values)
            message = f"no case contains it: the source marks {', '.join(source.marked)} and not {names}"
            yield ("labels", label), f"{message}; add it to the source's organs or lesions, or leave the label out"


def _choice(original: Mapping[str, int]) -> str:
    pairs = ", ".join(f"{value} ({name})" for name, value in original.items())
    return f"valid: {pairs or 'none'}"
