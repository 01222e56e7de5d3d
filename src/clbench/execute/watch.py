"""Follows a run from outside: what the engine started, what appeared in the store, what failed and why."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clbench.execute.engine import EngineFolder
from clbench.execute.estimate import descendants
from clbench.plan import Job
from clbench.store import Store

LINES_SHOWN = 15


@dataclass(frozen=True)
class Running:
    """A job at work."""

    started: float
    """Seconds since the epoch."""
    share: float = 0.0
    """How much of it is done, 0 to 1."""
    doing: str = ""
    """What it is doing, in its own words."""


@dataclass(frozen=True)
class Failure:
    """A job that ended with an error."""

    title: str
    reason: tuple[str, ...]
    """The last lines that it wrote."""
    log: Path
    """Where the rest is."""
    seconds: float


@dataclass
class Watch:
    """The state of the jobs that a run still had to do; ``look`` brings it up to date."""

    pending: Mapping[str, Job]
    store: Store
    folder: EngineFolder
    engine_log: Path
    running: dict[str, Running] = field(default_factory=dict)
    finished: dict[str, float] = field(default_factory=dict)
    """Seconds that each finished job took."""
    failed: dict[str, Failure] = field(default_factory=dict)
    _offset: int = 0

    def look(self) -> list[str]:
        """Read what happened since the last look; returns the jobs that ended, in order."""
        ended = [job for event in self._new_events() if (job := self._hear(event))]
        for job in list(self.running):
            if self.folder.ticket(job).exists():
                self._finish(job)
                ended.append(job)
            else:
                self.running[job] = _progress(self.store.job(job).progress, self.running[job])
        return ended

    @property
    def open(self) -> dict[str, Job]:
        """The jobs that have not ended, running ones included."""
        ended = self.finished.keys() | self.failed.keys()
        return {id: job for id, job in self.pending.items() if id not in ended}

    @property
    def skipped(self) -> tuple[str, ...]:
        """The jobs that will not be tried because a job they need failed."""
        needy = descendants(self.pending, self.failed)
        return tuple(id for id in self.open if id in needy)

    def _hear(self, event: dict[str, Any]) -> str | None:
        job, now = str(event["id"]), float(event["time"])
        if event["event"] == "started":
            self.running[job] = Running(now)
            return None
        begun = self.running.pop(job, Running(now)).started
        outside = [Path(name) for name in event.get("logs", ())]
        self.failed[job] = self._failure(job, begun, now - begun, *from_outside(event, outside), outside=outside)
        return job

    def _finish(self, job: str) -> None:
        """Its process has ended well; it counts if it left a result."""
        begun = self.running.pop(job).started
        took = self.folder.ticket(job).stat().st_mtime - begun
        if (self.store.job(job).path / "result.json").is_file():
            self.finished[job] = max(0.0, took)
        else:
            self.failed[job] = self._failure(job, begun, took, "it ended without leaving a result")

    def _failure(self, job: str, begun: float, took: float, *remarks: str, outside: Sequence[Path] = ()) -> Failure:
        """What the job wrote last, or else what was written about it ``outside``."""
        log = self.store.job(job).log
        said = last_lines(log) if _modified(log) >= begun else []
        if outside and not said:
            log, said = outside[0], last_lines(outside[0])
        said += remarks
        said += [line for line in last_lines(self.engine_log, None) if line.startswith(f"{job}: ")]
        if not said:
            log, said = self.engine_log, last_lines(self.engine_log)
        return Failure(self.pending[job].title, tuple(said), log, took)

    def _new_events(self) -> Iterator[dict[str, Any]]:
        try:
            with open(self.folder.events, "rb") as file:
                file.seek(self._offset)
                lines = file.read().splitlines(keepends=True)
        except FileNotFoundError:
            return
        for line in lines:
            if line.endswith(b"\n"):
                self._offset += len(line)
                yield json.loads(line)


def from_outside(event: dict[str, Any], logs: Sequence[Path]) -> list[str]:
    """What a cluster says of a job that failed, where it says more than that the job failed."""
    words = re.split("For further error|Detailed failure reason|\\n +sbatch call", str(event.get("said") or ""))[0]
    told = words.strip().splitlines() if "'FAILED'" not in words else []
    written = "\n".join(line for log in logs for line in last_lines(log, None))
    signals = re.findall(r"died with <Signals\.(\w+)", written)
    return told + [f"the job's process died of {signal}" for signal in signals]


def _progress(path: Path, before: Running) -> Running:
    """What a job says about itself; a word from an earlier attempt does not count."""
    if _modified(path) < before.started:
        return before
    try:
        said = json.loads(path.read_bytes())
        share = min(1.0, said["done"] / said["of"]) if said["of"] else 0.0
        return Running(before.started, share, str(said["doing"]))
    except (OSError, ValueError, KeyError, TypeError):
        return before


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime + 0.01  # file systems round down to a tick of the kernel's clock
    except OSError:
        return 0.0


def last_lines(path: Path, lines: int | None = LINES_SHOWN) -> list[str]:
    """The last lines of a file that are not empty (of its last 64 KiB; all of them if ``lines`` is None)."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    kept = [line.rstrip() for line in text.splitlines() if line.strip()]
    return kept if lines is None else kept[-lines:]
