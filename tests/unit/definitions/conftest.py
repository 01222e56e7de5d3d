"""A small suite in a temporary folder, which tests change one line at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import Resolved
from clbench.definitions.resolve import resolve
from clbench.errors import DefinitionError, Problem

TASK = """\
name: {name}
version: 1
title: A task
modality: CT
labels: {{organ: [1], lesion: [2, 3]}}
original_labels: {{organ: 1, tumour: 2, cyst: 3}}
cases: 60
source:
  kind: msd
  folder: Task99_Any
  url: https://example.org/Task99_Any.tar
  md5: 0123456789abcdef0123456789abcdef
  licence: CC0
"""

PULL = '''\
from typing import Literal

from clbench.methods.base import Method


class Pull(Method):
    """Pulls towards the past.

    More about it.
    """

    def __init__(
        self, *, strength: float = 0.1, steps: int = 4, where: Literal["all", "last"] = "all",
        cap: float | None = None, strict: bool = False
    ) -> None:
        self.strength = strength
'''

PLAIN = '''\
from clbench.methods.base import Method


class Plain(Method):
    """Does nothing."""
'''

BENCHMARK = """\
name: bench
version: 1
title: A benchmark
scenario: task-incremental
sequence: [alpha, beta]
backbone: {configuration: 3d_fullres, patch: [24, 24, 24], features: [8, 16, 32, 32]}
budget: {epochs: 25}
sample: {train: 12, val: 4, seed: 0}
protocols:
  from-scratch: {}
  joint: {}
  continual: {baselines: [plain, pull]}
  transfer: {targets: [gamma], from: [plain, joint], epochs: [5, 25], fractions: [0.5, 1.0]}
seeds: [0, 1]
"""


@dataclass(frozen=True)
class Suite:
    """A folder with tasks, baselines, methods and benchmarks."""

    root: Path

    @property
    def catalogue(self) -> Catalogue:
        """The suite alone, with the package's methods behind it."""
        return Catalogue((self.root,))

    def write(self, name: str, text: str) -> Path:
        """Write a file and return its path."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def edit(self, name: str, old: str, new: str) -> Path:
        """Replace a piece of text that must be there exactly once."""
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {name}"
        return self.write(name, text.replace(old, new))

    def benchmark(self, old: str, new: str) -> Path:
        """Edit the benchmark."""
        return self.edit("benchmark/bench.yaml", old, new)

    def resolve(self) -> Resolved:
        """Resolve the benchmark."""
        return resolve("bench", self.catalogue)

    def problems(self, argument: str | Path = "bench") -> list[Problem]:
        """What is wrong with the benchmark, which must be something."""
        with pytest.raises(DefinitionError) as caught:
            resolve(argument, self.catalogue)
        return caught.value.problems

    def problem(self) -> Problem:
        """The only thing that is wrong."""
        problems = self.problems()
        assert len(problems) == 1, "\n".join(map(str, problems))
        return problems[0]

    def line(self, name: str, text: str) -> int:
        """The number of the first line that contains a text."""
        lines = (self.root / name).read_text(encoding="utf-8").splitlines()
        return next(number for number, line in enumerate(lines, 1) if text in line)


def make_suite(root: Path) -> Suite:
    """Write the suite."""
    suite = Suite(root)
    for name in ("alpha", "beta", "gamma"):
        suite.write(f"tasks/{name}.yaml", TASK.format(name=name))
    for name, title in (("plain", "Nothing"), ("pull", "A pull")):
        suite.write(f"baselines/{name}.yaml", f"name: {name}\nversion: 3\ntitle: {title}\nmethod: {name}\n")
    suite.write("methods/plain.py", PLAIN)
    suite.write("methods/pull.py", PULL)
    suite.write("benchmark/bench.yaml", BENCHMARK)
    return suite


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """A suite in which nothing is wrong."""
    return make_suite(tmp_path)
