"""A dataset as nnU-Net v2 wants it laid out, made of links to the source's files."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from clbench.data.dataset import RawCase
from clbench.data.sources.tree import Tree
from clbench.definitions.cards import TaskCard
from clbench.disk import writing_to
from clbench.store import Json, write_atomic

NO_LINK = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""Why a file system makes no link that another kind of link may get round."""


def lay_out(folder: Path, tree: Tree, cases: Sequence[RawCase]) -> tuple[tuple[RawCase, ...], Counter[str]]:
    """Link whole cases into ``imagesTr`` and ``labelsTr``, and take away what belongs to none of them.

    Returns:
        The cases with the paths in the folder, and how many files are linked or copied in which way.

    Raises:
        MissingEnvironment: the disk is full or unwritable; the message names the file.
    """
    ways: Counter[str] = Counter()
    placed = []
    for case in cases:
        images = tuple(
            folder / "imagesTr" / f"{case.id}_{channel:04d}{tree.ending}" for channel in range(len(case.images))
        )
        label = folder / "labelsTr" / f"{case.id}{tree.ending}"
        for source, target in zip((*case.images, case.label), (*images, label), strict=True):
            ways[place(source.resolve(), target)] += 1
        placed.append(RawCase(case.id, images, label))
    wanted = {path for case in placed for path in (*case.images, case.label)}
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for path in set((folder / name).iterdir()) - wanted:
            path.unlink()
    return tuple(placed), ways


def place(source: Path, target: Path) -> str:
    """Make ``target`` a hard link to ``source``, or else a symbolic one, or else a copy; say which it is."""
    with writing_to(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink() or target.exists():
            if target.exists() and os.path.samefile(source, target):
                return "symbolic links" if target.is_symlink() else "hard links"
            target.unlink()
        for make, way in ((os.link, "hard links"), (os.symlink, "symbolic links")):
            try:
                make(source, target)
                return way
            except OSError as error:
                if error.errno not in NO_LINK:
                    raise
        _copy(source, target)
        return "copies"


def _copy(source: Path, target: Path) -> None:
    """Copy a file so that it appears whole or not at all."""
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        shutil.copy2(source, temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def description(card: TaskCard, tree: Tree, cases: int) -> Json:
    """``dataset.json``: the source's own label scheme, not yet the task's."""
    reader = {"overwrite_image_reader_writer": tree.reader} if tree.reader else {}
    return {
        "name": card.name,
        "description": card.title,
        "licence": card.source.licence if card.source.kind != "anatomy" else "",
        "channel_names": {str(channel): name for channel, name in enumerate(card.modality)},
        "labels": {"background": 0} | card.original_labels,
        "numTraining": cases,
        "file_ending": tree.ending,
        **reader,
    }


def write_description(folder: Path, content: Json) -> None:
    """Write ``dataset.json``."""
    with writing_to(folder / "dataset.json"):
        write_atomic(folder / "dataset.json", (json.dumps(content, indent=2) + "\n").encode())
