"""The name that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(wrong: str, valid: Iterable[str]) -> str | None:
    """The valid name that ``wrong`` is nearest to, or None where none is near."""
    return next(iter(difflib.get_close_matches(wrong, sorted(valid), n=1, cutoff=0.5)), None)


def suggestion(wrong: str, valid: Iterable[str]) -> str:
    """What to write instead of ``wrong``: the nearest valid name, or all of them where none is near."""
    names = sorted(valid)
    near = nearest(wrong, names)
    if near:
        return f"did you mean {near!r}?"
    return f"valid: {', '.join(names)}" if names else "there is none to choose from"
