"""JSON files that definitions and datasets name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_json(file: Path) -> Any:
    """The content of a JSON file.

    Raises:
        ValueError: it can't be read, or is no JSON; the message names the file.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{file}: can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: can't be read as JSON: {error}") from error
