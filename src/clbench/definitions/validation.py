"""A document held against a model: every violation with its file and line, and what is still usable."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError, create_model
from pydantic_core import ErrorDetails

from clbench.definitions.base import Record
from clbench.definitions.suggest import nearest, suggestion
from clbench.definitions.yaml_source import Document, KeyPath, dotted
from clbench.errors import Problem

Model = TypeVar("Model", bound=BaseModel)

_INPUT = re.compile("(Input|Value|String|List|Tuple|Dictionary) should")


@dataclass(frozen=True)
class Checked(Generic[Model]):
    """What became of a document that was held against a model."""

    document: Document
    value: Model | None
    """The model, where nothing was wrong."""
    usable: dict[str, Any]
    """The top-level fields that are right whatever is wrong elsewhere."""
    problems: list[Problem]
    """Everything that is wrong, with what reading the document found."""

    def sound(self, *path: str) -> bool:
        """Whether what stands at a key path is known, and nothing is wrong with it, below it or around it."""
        if path[0] not in self.usable and not self.document.whole:
            return False
        where, below = dotted(path), dotted((*path, ""))
        around = {dotted(path[:end]) for end in range(1, len(path) + 1)}
        return not any(p.field in around or p.field.startswith((below, f"{where}[")) for p in self.problems)


def checked(model: type[Model], document: Document) -> Checked[Model]:
    """Hold a document against a model."""
    problems = violations(model, document)
    value = None if problems or document.problems else model.model_validate(document.data)
    usable = salvaged(model, document) if value is None else dict(value)
    return Checked(document, value, usable, document.problems + problems)


def violations(model: type[BaseModel], document: Document) -> list[Problem]:
    """Everything in the document that the model does not allow, one problem for each place.

    Consequences are left out: a key that is missing because it is misspelled, a list that would be long
    enough if its elements were right.
    """
    errors = [(_written(error, document.data), error) for error in _errors(model, document.data)]
    meant = {(*path[:-1], _meant(model, error)) for path, error in errors if error["type"] == "extra_forbidden"}
    found: dict[KeyPath, Problem] = {}
    for path, error in errors:
        inherited = error["type"] == "missing" and len(path) == 1 and not document.whole
        consequence = error["type"] == "too_short" and any(_inside(path, other) for other, _ in errors)
        if path not in meant and not inherited and not consequence:
            found.setdefault(path, document.problem(path, _message(model, error)))
    return list(found.values())


def _inside(path: KeyPath, other: KeyPath) -> bool:
    """Whether another key path leads on from ``path``."""
    return len(other) > len(path) and other[: len(path)] == path


def salvaged(model: type[BaseModel], document: Document) -> dict[str, Any]:
    """The values of those of the model's top-level fields that are usable once what is wrong is left out.

    A list with a wrong element goes as a whole, so that no other element changes its position.
    """
    lenient = _all_optional(model)
    data = copy.deepcopy(document.data)
    while errors := _errors(lenient, data):
        for error in errors:
            _remove(data, _culprit(error, data) or error["loc"][:1])
    draft = lenient.model_validate(data)
    return {key: getattr(draft, key) for key in draft.model_fields_set if getattr(draft, key) is not None}


def _errors(model: type[BaseModel], data: Mapping[str, Any]) -> list[ErrorDetails]:
    try:
        model.model_validate(data)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _written(error: ErrorDetails, data: Any) -> KeyPath:
    """The key path that an error is about: its location without the names of unions' branches."""
    path: list[int | str] = []
    *around, last = error["loc"]
    for key in around:
        if _has(data, key):
            path.append(key)
            data = data[key]
    if _has(data, last) or error["type"] == "missing":
        path.append(last)
    if error["type"].startswith("union_tag_"):
        path.append(error["ctx"]["discriminator"].strip("'"))
    return tuple(path)


def _has(data: Any, key: int | str) -> bool:
    if isinstance(data, dict):
        return key in data
    return isinstance(data, list) and isinstance(key, int) and key < len(data)


def _message(model: type[BaseModel], error: ErrorDetails) -> str:
    """What is wrong, in the words of a definition's author."""
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key; {suggestion(str(error['loc'][-1]), _keys(model, error['loc'][:-1]))}"
        case "missing":
            return "is missing"
        case "union_tag_not_found":
            return "is missing; it says which of the possible kinds this is"
        case "union_tag_invalid":
            return f"must be one of {error['ctx']['expected_tags']}, not {error['ctx']['tag']!r}"
        case "value_error":
            return error["msg"].removeprefix("Value error, ")
    return f"{_INPUT.sub('must', error['msg'])}, not {_shown(error['input'])}"


def _meant(model: type[BaseModel], error: ErrorDetails) -> str:
    """The key that was probably meant by an unknown one."""
    return nearest(str(error["loc"][-1]), _keys(model, error["loc"][:-1])) or ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> set[str]:
    """The keys that a mapping at ``loc`` may have, read off the model's JSON schema."""
    schema = model.model_json_schema(by_alias=True)
    nodes = [schema]
    for key in loc:
        nodes = [child for node in _branches(nodes, schema) for child in _children(node, key, schema)]
    return {key for node in _branches(nodes, schema) for key in node.get("properties", {})}


def _branches(nodes: list[dict[str, Any]], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes with references followed and unions opened."""
    flat = []
    for node in nodes:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        inner = node.get("anyOf", []) + node.get("oneOf", [])
        flat += _branches(inner, schema) if inner and "discriminator" not in node else [node]
    return flat


def _children(node: dict[str, Any], key: int | str, schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas of what may lie under ``key``; the name of a union's branch leads to that branch."""
    tagged = node.get("discriminator", {}).get("mapping", {})
    if key in tagged:
        return [{"$ref": tagged[key]}]
    if isinstance(key, str) and key.startswith("<"):
        return [node]
    inner = [node.get("properties", {}).get(key), node.get("additionalProperties"), node.get("items")]
    return [child for child in inner if isinstance(child, dict)]


def _all_optional(model: type[BaseModel]) -> type[BaseModel]:
    """The model with every top-level field optional."""
    fields = {name: (field.rebuild_annotation() | None, None) for name, field in model.model_fields.items()}
    draft: type[BaseModel] = create_model(f"{model.__name__}Draft", __base__=Record, **fields)  # type: ignore
    return draft


def _culprit(error: ErrorDetails, data: Any) -> KeyPath:
    """What must go for an error to go: the key it is about, its list, or the mapping that lacks a key."""
    path: list[str] = []
    for key in _written(error, data):
        if not isinstance(key, str) or not _has(data, key):
            break
        path.append(key)
        data = data[key]
    return tuple(path)


def _remove(data: Any, path: KeyPath) -> None:
    for key in path[:-1]:
        data = data.get(key, {})
    data.pop(path[-1], None)
