"""Where datasets lie on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clbench.errors import MissingEnvironment

DEFAULT_ROOT = ".clbench/data"
RAW, BASE_OF_VERSION_1 = "nnUNet_raw", "nnUNet_raw_data_base"
"""The variables of the environment in which nnU-Net's users keep their folders."""
DEPTH = 4
"""How far below the data folder a dataset is looked for."""
OURS = ("prepared", "examined", "downloads")
"""Folders in the data folder that hold no dataset of the user's."""
PASSED = re.compile(r"\.|imagesTr$|labelsTr$|imagesTs$|labelsTs$|case_\d+$")
"""Names of folders that no dataset is looked for in."""


@dataclass(frozen=True)
class DataPlaces:
    """Where datasets are looked for, and where clbench keeps what it downloads and derives.

    Attributes:
        root: the data folder.
        raw: folders of the user's own that hold nnU-Net datasets; nothing is ever written into them.
    """

    root: Path
    raw: tuple[Path, ...] = ()

    @classmethod
    def default(cls, root: Path | None = None) -> DataPlaces:
        """The places that the environment names: ``CLBENCH_DATA``, ``nnUNet_raw`` and version 1's folder."""
        base = os.environ.get(BASE_OF_VERSION_1)
        named = (os.environ.get(RAW), f"{base}/nnUNet_raw_data" if base else None)
        chosen = root or Path(os.environ.get("CLBENCH_DATA") or DEFAULT_ROOT)
        return cls(chosen.absolute(), tuple(Path(name).absolute() for name in named if name))

    @property
    def downloads(self) -> Path:
        """What was fetched, as it was published."""
        return self.root / "downloads"

    @property
    def datasets(self) -> Path:
        """What was unpacked."""
        return self.root / "datasets"

    @property
    def examined(self) -> Path:
        """What is known of files that were read once."""
        return self.root / "examined"

    def prepared(self, task: str) -> Path:
        """A task's view, its manifest, and where its files are."""
        return self.root / "prepared" / task

    def folders(self) -> Iterator[Path]:
        """The data folder and those below it, the nearest first, that may be a dataset or hold one."""
        level = [self.root] if self.root.is_dir() else []
        for _ in range(DEPTH + 1):
            yield from level
            level = [below for folder in level for below in self._below(folder)]

    def _below(self, folder: Path) -> list[Path]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            return []
        passed = OURS if folder == self.root else ()
        wanted = (entry for entry in entries if not PASSED.match(entry.name) and entry.name not in passed)
        return [Path(entry) for entry in wanted if entry.is_dir() and os.access(entry.path, os.R_OK | os.X_OK)]

    def find(self, fits: Callable[[Path], bool]) -> Path | None:
        """The nearest folder that fits, or None."""
        return next((folder for folder in self.folders() if fits(folder)), None)

    def path(self, text: str) -> Path:
        """The file or folder that a path in a card means, whether it is there or not."""
        path = Path(text).expanduser()
        found = (base / path for base in (self.root, Path.cwd()) if (base / path).exists())
        return next(found, self.root / path).absolute()

    def nnunet(self, reference: str, prefix: str) -> Path | None:
        """The folder of an nnU-Net dataset, or None.

        Args:
            reference: its number, its folder's name, or a path.
            prefix: ``Dataset``, or ``Task`` for version 1.

        Raises:
            MissingEnvironment: several datasets in one folder have that number.
        """
        if "/" in reference or reference.startswith("~"):
            path = self.path(reference)
            return path if path.is_dir() else None
        pattern = f"{prefix}{int(reference):03d}_*" if reference.isdigit() else reference
        for place in (*self.raw, *self.folders()):
            if found := sorted(folder for folder in place.glob(pattern) if folder.is_dir()):
                return _only(found, reference)
        return self.root if self.root.match(pattern) and self.root.is_dir() else None

    def searched(self, reference: str) -> str:
        """Where ``nnunet`` looked, in words."""
        if "/" in reference or reference.startswith("~"):
            return str(self.path(reference))
        raw = ", ".join(map(str, self.raw)) or "nnUNet_raw, which is not set"
        return f"{raw}, and the data folder {self.root}"


def _only(found: list[Path], reference: str) -> Path:
    if len(found) > 1:
        names = ", ".join(folder.name for folder in found)
        message = f"{found[0].parent}: several datasets have the number {reference}: {names}"
        raise MissingEnvironment(f"{message}; write the name of one as `dataset`")
    return found[0]
