"""Where everything is found by its name: in the shipped folders, and in a user's suites before them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clbench.definitions.suggest import suggestion
from clbench.errors import DefinitionError, MissingEnvironment, Problem

if TYPE_CHECKING:
    from clbench.definitions.models import BaselineCard, Benchmark, TaskCard
    from clbench.definitions.places import DataPlaces

Kind = Literal["task", "baseline", "benchmark", "method"]

FOLDERS: dict[Kind, str] = {
    "task": "tasks", "baseline": "baselines", "benchmark": "benchmark", "method": "methods",
}  # fmt: skip

LONGEST = 200
"""Characters that no name has, so that it fits into a file's with its ending."""


def package_root() -> Path:
    """The folder of the installed package."""
    return Path(__file__).resolve().parent.parent


def shipped_root() -> Path:
    """The folder that holds the shipped ``tasks/``, ``baselines/`` and ``benchmark/``.

    An installed wheel carries it as package data; in a checkout it is the repository's root.

    Raises:
        MissingEnvironment: neither is there.
    """
    package = package_root()
    for folder in (package / "shipped", *package.parents):
        if (folder / "tasks").is_dir() and (folder / "benchmark").is_dir():
            return folder
    raise MissingEnvironment(
        f"the shipped tasks/ and benchmark/ are neither in {package / 'shipped'} nor in a folder above "
        f"{package}; install clbench again"
    )


@dataclass(frozen=True)
class Catalogue:
    """Everything that has a name; what lies in an earlier folder hides its namesakes in later ones.

    Attributes:
        roots: the folders.
        data: where cards find the datasets that complete them; None for where the environment says.
    """

    roots: tuple[Path, ...]
    data: DataPlaces | None = None

    @classmethod
    def open(cls, suites: Iterable[Path] = (), data: DataPlaces | None = None) -> Catalogue:
        """The shipped folders with ``suites`` in front.

        Raises:
            DefinitionError: a suite is no folder, or has none of the four folders.
        """
        folders = tuple(Path(suite).absolute() for suite in suites)
        problems = [problem for folder in folders if (problem := _suite_problem(folder))]
        if problems:
            raise DefinitionError(problems)
        return cls((*folders, shipped_root()), data)

    def folders(self, kind: Kind) -> tuple[Path, ...]:
        """The folders that may hold things of a kind, the first one first."""
        roots = (*self.roots, package_root()) if kind == "method" else self.roots
        return tuple(root / FOLDERS[kind] for root in roots)

    def names(self, kind: Kind) -> tuple[str, ...]:
        """All names of a kind, sorted."""
        pattern = "*.py" if kind == "method" else "*.yaml"
        files = (file for folder in self.folders(kind) for file in folder.glob(pattern))
        return tuple(sorted({file.stem for file in files if kind != "method" or _is_method(file)}))

    def file(self, kind: Kind, name: str) -> Path:
        """The file of the card, definition or method with this name.

        Raises:
            DefinitionError: there is none; the message gives the nearest name.
        """
        found = self.find(kind, name)
        if found is None:
            raise DefinitionError([Problem(None, None, "", self.unknown(kind, name))])
        return found

    def find(self, kind: Kind, name: str) -> Path | None:
        """The file with this name, or None."""
        suffix = ".py" if kind == "method" else ".yaml"
        plain = len(name) < LONGEST and not set(name) & {os.sep, "/", "\0"}
        files = (folder / f"{name}{suffix}" for folder in self.folders(kind) if plain)
        return next((file for file in files if file.is_file()), None)

    def unknown(self, kind: Kind, name: str) -> str:
        """The message that there is nothing of that name."""
        return f"there is no {kind} {name!r}; {suggestion(name, self.names(kind))}"

    def benchmark_file(self, argument: str | Path) -> Path:
        """The definition that a user's argument means: a name, or the path of a YAML file.

        Raises:
            DefinitionError: there is no such name or file.
        """
        text = str(argument)
        if not text.endswith((".yaml", ".yml")):
            return self.file("benchmark", text)
        file = Path(text).absolute()
        if not file.is_file():
            raise DefinitionError([Problem(file, None, "", "there is no such file")])
        return file

    def method_file(self, name: str) -> Path:
        """The source file of a method.

        Raises:
            DefinitionError: there is none; the message gives the nearest name.
        """
        return self.file("method", name)

    def task(self, name: str) -> TaskCard:
        """A task's card.

        Raises:
            DefinitionError: there is none, or it is wrong; everything that is.
            MissingEnvironment: it leaves something out that its dataset would say, and the dataset is not there.
        """
        from clbench.definitions.reading import read_task

        return read_task(self.file("task", name), self.data).value

    def baseline(self, name: str) -> BaselineCard:
        """A baseline's card, its settings checked against its method.

        Raises:
            DefinitionError: there is none, or it is wrong; everything that is.
        """
        from clbench.definitions.reading import read_baseline

        return read_baseline(self.file("baseline", name), self).value

    def benchmark(self, argument: str | Path) -> Benchmark:
        """A definition with what it extends applied, everything in it checked.

        Raises:
            DefinitionError: there is none, or it is wrong; everything that is.
        """
        from clbench.definitions.resolve import resolve

        return resolve(argument, self).benchmark


def _suite_problem(folder: Path) -> Problem | None:
    if not folder.is_dir():
        return Problem(folder, None, "", "there is no such folder; --suite needs one")
    if not any((folder / name).is_dir() for name in FOLDERS.values()):
        return Problem(folder, None, "", f"is no suite; it has none of the folders {', '.join(FOLDERS.values())}")
    return None


def _is_method(file: Path) -> bool:
    """Whether a Python file is a method, and not a part that methods share."""
    from clbench.definitions.signatures import read_signature

    try:
        read_signature(file)
    except DefinitionError:
        return False
    return True
