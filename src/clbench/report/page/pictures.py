"""Pictures on the page: drawn only when the page is, and never more of them than it has room for."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass

MOST_BYTES = 700_000
"""Of all pictures of a page together."""


@dataclass(frozen=True)
class Picture:
    """A picture as the page shows it.

    Attributes:
        title: what it shows.
        png: the file.
        width: CSS pixels; those of the file are more, for fine screens.
    """

    title: str
    png: bytes
    width: int

    @property
    def source(self) -> str:
        """The file as the page holds it."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclass(frozen=True)
class Pictures:
    """What can be drawn for a page.

    Attributes:
        mark: changes whenever a picture would.
        note: how to read them.
        draw: draws them, one after another.
    """

    mark: str = ""
    note: str = ""
    draw: Callable[[], Iterable[Picture]] = tuple

    def drawn(self) -> tuple[Picture, ...]:
        """Those that there is room for, in their order."""
        kept: list[Picture] = []
        for picture in self.draw():
            if sum(len(other.png) for other in kept) + len(picture.png) > MOST_BYTES:
                break
            kept.append(picture)
        return tuple(kept)


NO_PICTURES = Pictures()
