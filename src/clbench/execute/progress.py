"""What a person sees while a run is carried out: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from clbench.execute.estimate import seconds_left
from clbench.execute.watch import Failure, Watch

HEARTBEAT = 30.0
"""Seconds between signs of life without a terminal."""
REFRESH = 0.25
"""Seconds between two pictures on a terminal."""
BAR, AGE, WIDEST = 16, 10, 116
"""Characters of a progress bar, of how long a job has run, and of the whole line about it."""
ROWS = 12
"""Running jobs shown at once."""


class Display(Protocol):
    """Shows a run; ``tick`` is called often, ``ended`` once per job."""

    def begin(self) -> None:
        """The run starts."""

    def ended(self, job: str) -> None:
        """A job finished or failed."""

    def tick(self) -> None:
        """Time went by."""

    def close(self) -> None:
        """The run is over."""


class Status:
    """The counts and times of a run, in words."""

    def __init__(self, watch: Watch, cached: int, slots: int, where: str) -> None:
        """Read from ``watch``; ``cached`` jobs were done before the run, ``slots`` of the others run side by side."""
        self.watch, self.cached, self.slots, self.where = watch, cached, slots, where
        self.started = time.time()

    @property
    def total(self) -> int:
        """All jobs of the plan."""
        return self.cached + len(self.watch.pending)

    @property
    def left(self) -> float:
        """About how many seconds the open jobs still take."""
        skipped = set(self.watch.skipped)
        jobs = {id: job for id, job in self.watch.open.items() if id not in skipped}
        return seconds_left(jobs, {id: self._still(id) for id in jobs}, self.slots)

    def opening(self) -> str:
        """How much there is to do."""
        if not self.watch.pending:
            return f"nothing to do: all {self.total} jobs are cached"
        todo = f"{len(self.watch.pending)} of {self.total} jobs to do"
        return f"{todo}, {self.cached} cached, on {self.where}, about {duration(self.left, 0)}"

    def counts(self) -> str:
        """How far the run is."""
        watch = self.watch
        skipped = watch.skipped
        waiting = len(watch.open) - len(watch.running) - len(skipped)
        told = [f"{len(watch.finished)} done", f"{self.cached} cached", f"{len(watch.running)} running"]
        told += [f"{waiting} waiting"]
        if watch.failed:
            told += [f"{len(watch.failed)} failed", f"{len(skipped)} skipped"]
        return ", ".join(told)

    def times(self) -> str:
        """How long it took so far, and may still take."""
        return f"{duration(time.time() - self.started, 0)} so far, about {duration(self.left, 0)} left"

    def line(self, job: str, number: int) -> str:
        """One line about a job that ended, the ``number``-th of those that this run had to do."""
        watch = self.watch
        failure = watch.failed.get(job)
        how = f"failed after {duration(failure.seconds)}" if failure else duration(watch.finished[job])
        return f"{self.cached + number}/{self.total}  {watch.pending[job].title}  {how}"

    def _still(self, job: str) -> float:
        running = self.watch.running.get(job)
        return self.watch.pending[job].seconds * self._pace() * (1 - (running.share if running else 0))

    def _pace(self) -> float:
        """How much longer finished jobs took than planned."""
        planned = sum(self.watch.pending[job].seconds for job in self.watch.finished)
        return sum(self.watch.finished.values()) / planned if planned else 1.0


class Lines:
    """Plain lines: one at the start, one per job that ends, a sign of life now and then."""

    def __init__(self, console: Console, status: Status) -> None:
        """Print to ``console``."""
        self.console, self.status = console, status
        self.said = time.monotonic()
        self.over: set[str] = set()

    def begin(self) -> None:
        """Say how much there is to do."""
        self._say(self.status.opening())

    def ended(self, job: str) -> None:
        """Say how a job ended; if badly, with what it wrote last."""
        self.over.add(job)
        self._say(self.status.line(job, len(self.over)))
        if failure := self.status.watch.failed.get(job):
            show_failure(self.console, failure)

    def tick(self) -> None:
        """Give a sign of life if nothing was said for a while."""
        if time.monotonic() - self.said >= HEARTBEAT:
            self._say(f"{self.status.counts()}; {self.status.times()}")

    def close(self) -> None:
        """Nothing is left on the screen to be tidied up."""

    def _say(self, text: str) -> None:
        say(self.console, text)
        self.said = time.monotonic()


class Screen(Lines):
    """Lines for what ended, and below them a picture of what runs that is redrawn in place."""

    def __init__(self, console: Console, status: Status) -> None:
        """Draw on ``console``."""
        super().__init__(console, status)
        self.live = Live(console=console, auto_refresh=False, transient=True)
        self.drawn = 0.0

    def begin(self) -> None:
        """Say how much there is to do and draw the first picture."""
        super().begin()
        self.live.start()

    def ended(self, job: str) -> None:
        """Say how a job ended, above a picture that no longer shows it."""
        self.live.update(self._picture())
        super().ended(job)

    def tick(self) -> None:
        """Redraw."""
        if time.monotonic() - self.drawn >= REFRESH:
            self.live.update(self._picture(), refresh=True)
            self.drawn = time.monotonic()

    def close(self) -> None:
        """Take the picture away and leave the lines."""
        self.live.stop()

    def _picture(self) -> RenderableType:
        running = self.status.watch.running
        table = Table.grid(padding=(0, 2))
        table.width = min(self.console.width, WIDEST)
        for ratio, width in ((3, None), (None, BAR), (None, AGE), (1, None)):  # cut, not wrapped, where it is narrow
            table.add_column(ratio=ratio, width=width, no_wrap=True, overflow="ellipsis")
        for job, at_work in list(running.items())[:ROWS]:
            bar = ProgressBar(total=1.0, completed=at_work.share, width=BAR)
            age = duration(time.time() - at_work.started, 0)
            table.add_row(Text(self.status.watch.pending[job].title), bar, age, Text(at_work.doing or "starting"))
        more = [Text(f"and {len(running) - ROWS} more")] if len(running) > ROWS else []
        return Group(table, *more, Text(f"{self.status.counts()}; {self.status.times()}"))


def display(console: Console, status: Status) -> Display:
    """The display that suits a console."""
    return Screen(console, status) if console.is_terminal else Lines(console, status)


def show_failures(console: Console, failures: Iterable[Failure]) -> None:
    """Repeat at the end, in short, what failed and why."""
    for failure in failures:
        say(console, f"failed: {failure.title}")
        show_failure(console, replace(failure, reason=failure.reason[-1:]))


def show_failure(console: Console, failure: Failure) -> None:
    """The last lines that a failed job wrote, and where the others are."""
    for line in failure.reason:
        say(console, f"    {line}")
    say(console, f"    log: {failure.log}")


def say(console: Console, text: str) -> None:
    """Print text as it is: not wrapped, no markup in it."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)


def duration(seconds: float, digits: int = 1) -> str:
    """Seconds in words, ``digits`` for fewer than ten: ``8.2 s``, ``1 min 23 s``, ``2 h 05 min``."""
    if seconds < 9.5:
        return f"{seconds:.{digits}f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
