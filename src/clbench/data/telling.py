"""What preparation says while it works: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

Advance = Callable[[int, int], None]
"""Told how much is done, and of how much."""


class Telling(Protocol):
    """Where words and progress go."""

    def say(self, text: str) -> None:
        """Say a line."""
        return

    @contextmanager
    def bar(self, title: str, unit: str) -> Iterator[Advance]:
        """Show how far something is; ``unit`` is ``bytes`` or a plural."""
        yield lambda done, total: None


class Silence(Telling):
    """Says nothing."""


class ConsoleTelling:
    """Speaks on standard error."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)

    def say(self, text: str) -> None:
        """Print a line as it is."""
        self.console.print(text, soft_wrap=True, markup=False, highlight=False)

    @contextmanager
    def bar(self, title: str, unit: str) -> Iterator[Advance]:
        """A bar that is drawn over itself; without a terminal one line at the end of each quarter."""
        if self.console.is_terminal:
            yield from self._drawn(title, unit)
        else:
            yield self._lines(title, unit)

    def _drawn(self, title: str, unit: str) -> Iterator[Advance]:
        from rich import progress as rich_progress

        count = rich_progress.DownloadColumn() if unit == "bytes" else rich_progress.MofNCompleteColumn()
        columns = ("{task.description}", rich_progress.BarColumn(), count, rich_progress.TimeRemainingColumn())
        with rich_progress.Progress(*columns, console=self.console) as bars:
            task = bars.add_task(title, total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total)

    def _lines(self, title: str, unit: str) -> Advance:
        said = 0

        def advance(done: int, total: int) -> None:
            nonlocal said
            quarter = 4 * done // total if total else 0
            if quarter > said:
                said = quarter
                amount = (
                    f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if unit == "bytes" else f"{done} of {total} {unit}"
                )
                self.say(f"{title}: {amount}")

        return advance
