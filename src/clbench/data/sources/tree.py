"""What a source's folder holds, before anything is read."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from clbench.data.dataset import RawCase
from clbench.data.problems import CaseProblem, CaseTwice
from clbench.definitions.slugs import ascii_of

ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".gipl")
"""Endings of three-dimensional images that nnU-Net reads without a second file beside them."""


@dataclass(frozen=True)
class Tree:
    """The cases that lie in a folder.

    Attributes:
        folder: where the source begins.
        name: what nnU-Net is to call it, ``DatasetNNN_Name``.
        cases: those whose files are all there, sorted by id.
        problems: what is wrong with the others.
        labels: names and numbers, background left out, as the source says; None if it says nothing.
        channels: names of the channels, as the source says; None if it says nothing.
        ending: of every file.
        reader: the reader that nnU-Net must use; None for nnU-Net's choice.
        in_place: whether it is an nnU-Net v2 dataset already.
        descriptions: files, beside the cases', whose change means that cases must be listed again.
    """

    folder: Path
    name: str
    cases: tuple[RawCase, ...]
    problems: tuple[CaseProblem, ...] = ()
    labels: Mapping[str, int] | None = None
    channels: tuple[str, ...] | None = None
    ending: str = ".nii.gz"
    reader: str | None = None
    in_place: bool = False
    descriptions: tuple[Path, ...] = ()


def ending_of(path: Path) -> str:
    """The ending of an image file, ``.nii.gz`` as a whole; empty if nnU-Net reads no such file."""
    return next((ending for ending in sorted(ENDINGS, key=len, reverse=True) if path.name.endswith(ending)), "")


def stem_of(path: Path) -> str:
    """A file's name without its ending."""
    return path.name.removesuffix(ending_of(path) or path.suffix)


def visible(folder: Path, ending: str = "") -> list[Path]:
    """The files in a folder that were put there on purpose, sorted; those of macOS and of editors are left out."""
    if not folder.is_dir():
        return []
    names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    return [folder / name for name in names if name.endswith(ending)]


def gathered(entries: Iterable[tuple[RawCase, list[CaseProblem]]]) -> tuple[list[RawCase], list[CaseProblem]]:
    """Whole cases sorted by id, and the problems of the others; an id that comes twice is one of these."""
    seen: dict[str, RawCase] = {}
    twice: set[str] = set()
    problems: list[CaseProblem] = []
    for case, wrong in entries:
        first = seen.setdefault(case.id, case)
        if first is not case:
            twice.add(case.id)
            problems.append(CaseTwice(case.id, case.label, f"two cases have this id; the first is {first.label}"))
        if not is_name(case.id) and not wrong:
            wrong = [CaseProblem(case.id, None, "an id must be usable as a file's name: no / in it, no . before it")]
        problems += wrong or list(absent(case))
    problems += meeting(seen)
    broken = twice | {problem.case for problem in problems}
    return sorted((case for id, case in seen.items() if id not in broken), key=lambda case: case.id), problems


def meeting(ids: Iterable[str]) -> Iterator[CaseProblem]:
    """Cases whose files would be one: nnU-Net keeps a case as ``ID`` and its label as ``ID_seg``.

    File systems may ignore case and tell composed characters from decomposed ones no more than people do.
    """
    owners: dict[str, str] = {}
    for id in ids:
        for name in (id, f"{id}_seg"):
            other = owners.setdefault(_as_a_file(name), id)
            if other != id:
                message = f"{name!r} would be one file of case {other!r} and of this one; rename one of the two"
                yield from (CaseProblem(one, None, message) for one in (other, id))
                break


def _as_a_file(name: str) -> str:
    """What a file system may take for the same name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def is_name(id: str) -> bool:
    """Whether files may be called after a case."""
    return bool(id) and not id.startswith(".") and not set(id) & {"/", "\\", "\0"}


def absent(case: RawCase) -> Iterator[CaseProblem]:
    """Files of a case that are not there."""
    for channel, path in enumerate(case.images):
        if not os.path.isfile(path):
            what = "the image" if len(case.images) == 1 else f"channel {channel}"
            yield CaseProblem(case.id, path, f"{what} {_why_absent(path)}")
    if not os.path.isfile(case.label):  # pathlib's raises if a name is too long
        yield CaseProblem(case.id, case.label, f"the label {_why_absent(case.label)}")


def _why_absent(path: Path) -> str:
    """Missing, or a link that leads nowhere, a folder, or no ordinary file."""
    if os.path.islink(path) and not os.path.exists(path):
        return f"is a broken link: {os.readlink(path)} is not there"
    return "is missing" if not os.path.exists(path) else "is a folder" if os.path.isdir(path) else "is no file"


def dataset_name(folder: str, number: int) -> str:
    """nnU-Net's name for a folder such as ``Task03_Liver``, whose own number comes before ``number``."""
    match = re.fullmatch(r"Task0*(\d+)_(.+)", folder)
    found, name = (int(match[1]), match[2]) if match else (number, folder)
    return f"Dataset{found:03d}_{re.sub('[^A-Za-z0-9]+', '', ascii_of(name)) or 'Data'}"
