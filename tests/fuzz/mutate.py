"""Documents with something in them that nobody expects: another type, another size, a key that is missing."""

from __future__ import annotations

import json
import random
from typing import Any

import yaml

ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"), "",
    " ", "x", "0", "1e9", "../../x", "/x", "\0", "\n", "a\u2028b", "\ud800", "x" * 5000, [], {}, [[]], [None],
    {"": None}, {"x": {}}, list(range(50)),
]  # fmt: skip
"""What stands where something else should."""


def parsed(data: bytes) -> Any:
    """What JSON or YAML says; None if it is neither."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        pass
    try:
        return yaml.safe_load(data) if len(data) < 5000 else None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, AttributeError):
        return None


def mutated(data: bytes, seed: int) -> bytes | None:
    """The document with one to three places changed, as JSON, which is YAML too; None if it is no document."""
    document, draw = parsed(data), random.Random(seed)
    if not isinstance(document, dict | list):
        return None
    for _ in range(draw.randint(1, 3)):
        document = _changed(document, draw)
    try:
        return json.dumps(document).encode()
    except (ValueError, TypeError, RecursionError):
        return None


def _changed(value: Any, draw: random.Random) -> Any:
    """The value with one place in it changed; deeper places are as likely as the outermost."""
    if isinstance(value, dict | list) and value and draw.random() < 0.85:
        return _changed_inside(value, draw)
    return draw.choice(ODD)


def _changed_inside(value: Any, draw: random.Random) -> Any:
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key, copy = draw.choice(keys), value.copy()
    match draw.randrange(8):
        case 0:
            del copy[key]
        case 1 if isinstance(copy, dict):
            copy[str(draw.choice(ODD))[:100]] = copy[key]
        case 1:
            copy.append(copy[key])
        case 2:
            copy[key] = copy[draw.choice(keys)]
        case _:
            copy[key] = _changed(copy[key], draw)
    return copy
