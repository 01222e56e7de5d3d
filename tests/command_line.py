"""The command line as tests call it, each call a process of its own, and a run that others are held against."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from machine import clean_environment


@dataclass(frozen=True)
class Said:
    """What a program that has ended printed, and its exit code."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Program:
    """The command line, each call a process of its own.

    Attributes:
        folder: the working folder.
        source: where ``clbench`` is imported from; None for the installed one.
        under: a command that carries out the words behind it, such as ``setpriv``.
        patience: seconds after which a program is taken to hang.
        variables: environment variables that it has besides.
    """

    folder: Path
    source: Path | None = None
    under: tuple[str, ...] = ()
    patience: float = 300.0
    variables: Mapping[str, str] = field(default_factory=dict)

    def start(self, *words: object) -> subprocess.Popen[str]:
        """Start a command as the leader of a process group."""
        environment = {**clean_environment(), **self.variables}
        if self.source:
            environment["PYTHONPATH"] = str(self.source)
        command = [*self.under, sys.executable, "-m", "clbench", *map(str, words)]
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def __call__(self, *words: object) -> Said:
        """Carry a command out."""
        return self.ended(self.start(*words))

    def ended(self, process: subprocess.Popen[str]) -> Said:
        """Wait for a program's end."""
        out, err = process.communicate(timeout=self.patience)
        return Said(process.returncode, out, err)

    @staticmethod
    def until(claim: Callable[[], bool], seconds: float = 120.0) -> None:
        """Wait until a claim comes true; fail if it does not."""
        end = time.monotonic() + seconds
        while not claim():
            assert time.monotonic() < end, "it never came true"
            time.sleep(0.01)


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing disturbed; copy its store, don't change it.

    Attributes:
        words: the command that carried it out, without its folders.
        folder: the run's folder.
        store: where its jobs' artifacts are.
        said: what it printed.
        seconds: how long it took.
        suite: has the benchmark; None if it is shipped.
    """

    words: tuple[object, ...]
    folder: Path
    store: Path
    said: Said
    seconds: float
    suite: Path | None = None

    @property
    def rows(self) -> bytes:
        """Its row table, which every other run must come to."""
        return (self.folder / "rows.csv").read_bytes()

    @property
    def jobs(self) -> int:
        """How many jobs it did."""
        return len(list(self.store.glob("jobs/*/result.json")))

    @staticmethod
    def program_in(folder: Path) -> Program:
        """The command line in another folder, for fixtures that outlive a test."""
        return Program(folder)


def undisturbed_run(program: Program, *words: object, suite: Path | None = None) -> Undisturbed:
    """A run with nothing in its way, with store and report in the program's folder."""
    store, folder, start = program.folder / "store", program.folder / "run", time.monotonic()
    said = program(*words, "--store", store, "--out", folder)
    assert said.code == 0, said.err
    return Undisturbed(words, folder, store, said, time.monotonic() - start, suite)
