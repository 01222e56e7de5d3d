"""The user's suite that new definitions are written into; what is there is never overwritten."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clbench.definitions.catalogue import FOLDERS, Catalogue, Kind
from clbench.definitions.places import DataPlaces
from clbench.definitions.resolve import check
from clbench.disk import make_folder, writing_to
from clbench.errors import DefinitionError, Problem

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _./-]*(?<! )")
WORDS_OF_YAML = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


@dataclass(frozen=True)
class Suite:
    """A suite, there already or to be made.

    Attributes:
        folder: where new files go.
        others: further suites that names are looked up in.
        data: where datasets are looked for.
    """

    folder: Path
    others: tuple[Path, ...]
    data: DataPlaces

    def catalogue(self) -> Catalogue:
        """Everything that has a name, the suite's own first if there is one yet."""
        there = any((self.folder / name).is_dir() for name in FOLDERS.values())
        return Catalogue.open((self.folder, *self.others) if there else self.others, self.data)

    def new_file(self, kind: Kind, name: str) -> Path:
        """Where a new definition of this name goes.

        Raises:
            DefinitionError: it is no name, or there is something of that name, which it would replace or hide.
        """
        if not NAME.fullmatch(name):
            message = f"{name!r} is no name; use letters, digits, '.', '_' and '-', a letter or digit first"
            raise DefinitionError([Problem(None, None, "", message)])
        if found := self.catalogue().find(kind, name):
            message = f"is there already; choose another name for the new {kind}"
            raise DefinitionError([Problem(found, None, "", message)])
        return self.folder / FOLDERS[kind] / f"{name}{'.py' if kind == 'method' else '.yaml'}"

    def write(self, files: Mapping[Path, str]) -> None:
        """Write new files and check them; if anything is wrong with one, none of them stays.

        Raises:
            DefinitionError: a file is there already, or what was written does not fit together.
        """
        if taken := [Problem(file, None, "", "is there already") for file in files if file.exists()]:
            raise DefinitionError(taken)
        for file, text in files.items():
            make_folder(file.parent)
            with writing_to(file.parent), file.open("x", encoding="utf-8") as stream:
                stream.write(text)
        try:
            self._check(files)
        except Exception:
            for file in files:
                file.unlink()
            raise

    def _check(self, files: Mapping[Path, str]) -> None:
        problems = [problem for file in files for problem in check(file, self.catalogue())]
        if problems:
            raise DefinitionError(list(dict.fromkeys(problems)))


def flow(value: object) -> str:
    """A value in YAML's flow style: plain texts where they can't be taken for something else."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{flow(key)}: {flow(one)}' for key, one in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    plain = isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS_OF_YAML
    return value if isinstance(value, str) and plain else json.dumps(value, ensure_ascii=False)
