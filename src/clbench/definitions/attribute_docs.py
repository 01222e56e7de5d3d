"""JSON Schemas of models, each entry described by the text that stands below its field in the source."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Docs = Mapping[str, Mapping[str, str]]
"""Class → field → what stands below it."""


def schema_of(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> dict[str, Any]:
    """The JSON Schema of a model.

    Args:
        model: the model.
        mode: of what is read into it, or of what is written from it.
    """
    schema = model.model_json_schema(mode=mode)
    # A summary holds parts of definitions.
    docs = {**_docs(__package__), **_docs(model.__module__.rpartition(".")[0])}
    for name, part in {model.__name__: schema, **schema.get("$defs", {})}.items():
        _describe(part, docs.get(name, {}))
    return {"$schema": DIALECT, **schema}


def _describe(part: dict[str, Any], docs: Mapping[str, str]) -> None:
    for key, entry in part.get("properties", {}).items():
        names = (key, key.replace("-", "_"), f"{key}_")  # a field whose key is no name in Python has another
        text = next((docs[name] for name in names if name in docs), None)
        if text:
            entry["description"] = text


def _docs(package: str) -> Docs:
    modules = [module for name, module in sys.modules.items() if name.startswith(f"{package}.")]
    return {name: fields for module in modules for name, fields in _of_module(inspect.getsource(module))}


def _of_module(source: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            yield node.name, dict(_of_class(node))


def _of_class(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """A string right below an annotated name is the name's."""
    for field, below in zip(node.body, node.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, " ".join(text.split())
