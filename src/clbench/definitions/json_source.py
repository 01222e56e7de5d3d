"""JSON files that definitions and datasets name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_json(file: Path) -> Any:
    """The content of a JSON file.

    Raises:
        ValueError: it can't be read, is no JSON, or has half a character, which no file could be written with; the
            message names the file.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        json.dumps(content, ensure_ascii=False).encode()
        return content
    except OSError as error:
        raise ValueError(f"{file}: can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: can't be read as JSON: {error}") from error
