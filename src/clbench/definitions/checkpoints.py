"""Where nnU-Net keeps the checkpoint that a path means."""

from __future__ import annotations

from pathlib import Path

FINAL = "checkpoint_final.pth"


class NoCheckpointError(Exception):
    """A path leads to no checkpoint, or to several."""


def checkpoint_file(path: Path) -> Path:
    """The checkpoint that a path means: the file itself, or the final one of a model or a fold's folder.

    Raises:
        NoCheckpointError: there is none, or a model folder has those of several folds.
    """
    if not path.is_dir():
        if not path.is_file():
            raise NoCheckpointError(f"there is no file or folder {path}")
        return path.resolve()
    found = sorted([*path.glob(FINAL), *path.glob(f"fold_*/{FINAL}")])
    if len(found) == 1:
        return found[0].resolve()
    if not found:
        raise NoCheckpointError(f"{path} has no {FINAL}, nor has a fold_* folder in it; name the .pth file")
    folds = ", ".join(file.parent.name for file in found)
    raise NoCheckpointError(f"{path} has a {FINAL} in each of {folds}; name one of these folders")
