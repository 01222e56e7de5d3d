"""The values that a method's setting takes, read off its annotation and its default."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from typing import Any

Value = bool | int | float | str | None


@dataclass(frozen=True)
class SettingType:
    """What values one setting takes."""

    types: frozenset[str]
    """Names of types; ``NoneType`` stands for null."""
    choices: tuple[Value, ...]
    """Single values, of a ``Literal``."""
    default: Value
    """What it is when nothing is said."""

    def accepts(self, value: Value) -> bool:
        """Whether the setting may have this value; a whole number is a float too, true and false are not."""
        if isinstance(value, float) and not math.isfinite(value):
            return False
        if any(value == choice and type(value) is type(choice) for choice in self.choices):
            return True
        name = type(value).__name__
        return name in self.types or (name == "int" and "float" in self.types)

    def converted(self, value: Value) -> Value:
        """An accepted value in the setting's own type, so that 1 and 1.0 are the same setting."""
        is_choice = any(value == choice and type(value) is type(choice) for choice in self.choices)
        if isinstance(value, bool) or not isinstance(value, int) or is_choice or "int" in self.types:
            return value
        return float(value)

    def __str__(self) -> str:
        """Render as a card's author would say it."""
        names = sorted(self.types - {"NoneType"})
        return " or ".join([*map(repr, self.choices), *names, *(["null"] if "NoneType" in self.types else [])])


def setting_type(annotation: ast.expr | None, default: ast.expr | None) -> SettingType:
    """The type of a keyword argument.

    Raises:
        ValueError: annotation or default are missing, no literal, not of the types that settings have, or do
            not suit each other.
    """
    if annotation is None or default is None:
        raise ValueError("needs an annotation and a default, as in strength: float = 0.1")
    types, choices = _allowed(annotation)
    kind = SettingType(frozenset(types), tuple(choices), _literal(default))
    if not kind.accepts(kind.default):
        raise ValueError(f"its default must be {kind}, not {kind.default!r}")
    return SettingType(kind.types, kind.choices, kind.converted(kind.default))


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise ValueError(f"needs a literal, not {ast.unparse(node)}") from error


def _allowed(node: ast.expr) -> tuple[list[str], list[Value]]:
    """The names of the types and the single values that an annotation allows."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        (left, left_choices), (right, right_choices) = _allowed(node.left), _allowed(node.right)
        return left + right, left_choices + right_choices
    if isinstance(node, ast.Constant) and node.value is None:
        return ["NoneType"], []
    if isinstance(node, ast.Name) and node.id in ("bool", "int", "float", "str"):
        return [node.id], []
    if isinstance(node, ast.Subscript):
        return _allowed_subscript(node)
    raise ValueError(f"{ast.unparse(node)} is no type of a setting; {_VALID}")


_VALID = "valid: bool, int, float, str, None, Literal[…] and unions of them"


def _allowed_subscript(node: ast.Subscript) -> tuple[list[str], list[Value]]:
    name = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
    if name == "Optional":
        types, choices = _allowed(node.slice)
        return [*types, "NoneType"], choices
    if name == "Literal":
        values = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return [], [_literal(value) for value in values]
    raise ValueError(f"{ast.unparse(node)} is no type of a setting; {_VALID}")
