"""Where a stage's predictions lie in its folder, for those who write and those who read them."""

from __future__ import annotations

from pathlib import Path

from clbench.store import JobFolder

KEPT = "predictions"


def kept_path(folder: JobFolder, task: str, case: str) -> Path:
    """The label map of one case, in native space, as compressed NIfTI."""
    return folder.path / KEPT / task / f"{case}.nii.gz"
