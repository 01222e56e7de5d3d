"""YAML files as data that remembers where each key was written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml

from clbench.errors import DefinitionError, Problem

KeyPath = tuple[str | int, ...]
Place = tuple[Path, int]

SIZE = 2**20
"""Bytes of the largest file that is read as a definition or as a method's source."""
DEPTH = 50
"""How deep lists and mappings may be nested."""
VALUES = 100_000
"""Keys and values in a file, those that aliases repeat counted each time."""

_TAG = "tag:yaml.org,2002:"
_CORE = {
    "null": (r"null|Null|NULL|~|", ["", "n", "N", "~"]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+", list("-+0123456789")),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
        list("-+.0123456789"),
    ),
}


class _CoreLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.2's core schema, in which ``1e-2`` is a number, and ``no`` and ``1:30`` are texts."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


for _name, (_pattern, _first) in _CORE.items():
    _CoreLoader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _first)


@dataclass(frozen=True)
class Document:
    """The content of a YAML file, or of several laid over each other."""

    file: Path
    data: dict[str, Any]
    places: Mapping[KeyPath, Place]
    problems: list[Problem] = field(default_factory=list)
    whole: bool = True
    """False where something that it extends could not be read, so that keys may be missing."""

    def place(self, path: KeyPath) -> tuple[Path, int | None]:
        """File and line of a key path, or of the nearest one around it that was written."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return self.file, None

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem with what is written at ``path``."""
        file, line = self.place(path)
        return Problem(file, line, dotted(path), message)

    def over(self, base: Document) -> Document:
        """This document with the top-level keys that only ``base`` has."""
        kept = {key: value for key, value in base.data.items() if key not in self.data}
        places = {path: place for path, place in base.places.items() if path[0] in kept}
        problems = self.problems + base.problems
        return Document(self.file, kept | self.data, places | dict(self.places), problems, base.whole)


def dotted(path: KeyPath) -> str:
    """A key path as people write it: ``protocols.transfer.fractions[1]``."""
    parts = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return "".join(parts).removeprefix(".")


def read_document(file: Path) -> Document:
    """Read a YAML file whose top level is a mapping.

    Keys that are written twice, and values that a definition cannot hold, are listed in the document's
    ``problems``; what else it says can still be checked.

    Raises:
        DefinitionError: the file can't be read, is no YAML, or is no mapping, or is larger, deeper or fuller than
            any definition.
    """
    root = _compose(file, read_text(file))
    if not isinstance(root, yaml.MappingNode):
        raise _error(file, None, "must be a mapping of keys to values")
    reader = _Reader(file)
    data = reader.value(root, ())
    return Document(file, data, reader.places, reader.problems)


def read_text(file: Path) -> str:
    """The text of a file that is no larger than a definition or a method can be.

    Raises:
        DefinitionError: it is larger, or can't be read.
    """
    try:
        if file.stat().st_size > SIZE:
            raise _error(file, None, f"is larger than {SIZE // 2**20} MiB, the most that is read")
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise _error(file, None, f"can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _error(file, None, f"is not UTF-8 text: byte {error.start} is {error.reason}") from error


def _compose(file: Path, text: str) -> yaml.Node | None:
    try:
        _require_shallow(file, text)
        return yaml.compose(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        raise _error(file, mark.line + 1 if mark else None, f"is not valid YAML: {reason}") from error
    except yaml.YAMLError as error:
        raise _error(file, None, f"is not valid YAML: {error}") from error


def _require_shallow(file: Path, text: str) -> None:
    """Refuse what is nested so deep that composing it would need more stack than there is."""
    depth = 0
    for event in yaml.parse(text, Loader=_CoreLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else None
            raise _error(file, line, f"is nested deeper than {DEPTH} lists and mappings")


def _error(file: Path, line: int | None, message: str) -> DefinitionError:
    return DefinitionError([Problem(file, line, "", message)])


class _Reader:
    """Turns nodes into plain data and notes the line of every key path on the way."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.places: dict[KeyPath, Place] = {}
        self.problems: list[Problem] = []
        self._open: list[yaml.Node] = []
        self._values = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        """The data of a node at ``path``."""
        self._values += 1
        if self._values > VALUES:
            raise _error(self.file, _line(node), f"has more than {VALUES:,} values, with those that aliases repeat")
        if node in self._open:
            return self._refuse(node, path, "contains itself through an alias")
        self._open.append(node)
        try:
            return self._content(node, path)
        finally:
            self._open.pop()

    def _content(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.CollectionNode) and node.tag not in (_TAG + "map", _TAG + "seq"):
            return self._refuse(node, path, f"the tag {node.tag} is not allowed; write a plain value")
        if isinstance(node, yaml.MappingNode):
            return {key: self._child(child, (*path, key), line) for key, child, line in self._items(node, path)}
        if isinstance(node, yaml.SequenceNode):
            return [self._child(child, (*path, index), _line(child)) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _child(self, node: yaml.Node, path: KeyPath, line: int) -> Any:
        self.places[path] = (self.file, line)
        return self.value(node, path)

    def _items(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, yaml.Node, int]]:
        first: dict[str, int] = {}
        for key_node, child in node.value:
            key, line = key_node.value, _line(key_node)
            if key_node.tag != _TAG + "str":
                shown = f"the key {key!r}" if isinstance(key, str) else "a key"
                self._refuse(key_node, path, f"{shown} must be text; put it in quotes")
            elif key in first:
                message = f"written twice, on lines {first[key]} and {line}; keep one"
                self._refuse(key_node, (*path, key), message)
            else:
                first[key] = line
                yield key, child, line

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        kind, text = node.tag.removeprefix(_TAG), node.value
        try:
            return _SCALARS[kind](text)
        except KeyError:
            return self._refuse(node, path, f"the tag {node.tag} is not allowed; write a plain value")
        except ValueError:
            return self._refuse(node, path, f"{text!r} is no {kind}")

    def _refuse(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(self.file, _line(node), dotted(path), message))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": _float,
}
