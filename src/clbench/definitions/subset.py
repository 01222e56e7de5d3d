"""The mark of a definition that extends another and shrinks it."""

from __future__ import annotations

from clbench.definitions.base import Count, Name, Record


class Subset(Record):
    """The larger definition that a definition extends, and what it has less of."""

    name: Name
    """Name of the larger one."""
    version: Count
    """Its version."""
    smaller: tuple[str, ...]
    """What there is less of, such as ``fewer epochs (20 of 25)``."""
    changed: tuple[str, ...] = ()
    """What is different in another way than by its size, such as ``other optimizer``."""

    @property
    def mark(self) -> str:
        """What stands in every row: the larger one's name and version."""
        return f"{self.name} v{self.version}"

    @property
    def words(self) -> str:
        """What a report says of it."""
        return f"a subset of {self.mark}: {', '.join((*self.smaller, *self.changed))}; not comparable with it"
