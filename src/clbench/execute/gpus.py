"""Which GPUs a run may use, found without torch: importing that takes seconds, and is the jobs' business."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from clbench.errors import ClbenchError, MissingEnvironment

QUERY = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
VISIBLE = "CUDA_VISIBLE_DEVICES"


def usable_gpus(wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """The GPUs that jobs train on, as ``CUDA_VISIBLE_DEVICES`` names them best: by UUID where it is known.

    Args:
        wanted: numbers, or names as in ``CUDA_VISIBLE_DEVICES``; all if empty.

    Raises:
        MissingEnvironment: some are wanted, and there is none.
        ClbenchError: one is wanted that there is not.
    """
    found = visible(listed()) if torch_knows_cuda() else {}
    if wanted and not found:
        raise MissingEnvironment(f"--gpus {','.join(wanted)}: no GPU here that torch could use: {_why_none()}")
    for name in wanted:
        if name not in found:
            raise ClbenchError(f"--gpus: there is no GPU {name!r} here; there are {', '.join(found)}")
    return tuple(found[name] for name in wanted or found)


def visible(gpus: dict[str, str]) -> dict[str, str]:
    """Those of the machine's GPUs that ``CUDA_VISIBLE_DEVICES`` leaves, read as CUDA does: up to the first unknown.

    Args:
        gpus: number → UUID.
    """
    text = os.environ.get(VISIBLE)
    if text is None:
        return gpus
    names = takewhile(lambda name: name in gpus or name.startswith(("GPU-", "MIG-")), map(str.strip, text.split(",")))
    return {name: gpus.get(name, name) for name in names}


def listed() -> dict[str, str]:
    """Number → UUID of the GPUs that the driver lists; number → number where only the device nodes are there."""
    try:
        asked = subprocess.run(QUERY, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        numbers = sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))
        return {number: number for number in numbers}
    lines = asked.stdout.splitlines() if asked.returncode == 0 else []
    return dict(line.split(", ", 1) for line in lines if ", " in line)


def torch_knows_cuda() -> bool:
    """Whether torch was built for CUDA, read from its files."""
    spec = importlib.util.find_spec("torch")
    file = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    return bool(file and file.is_file() and re.search(r"^cuda\b.*=\s*['\"]", file.read_text(), re.MULTILINE))


def _why_none() -> str:
    if not torch_knows_cuda():
        return "it was built without CUDA"
    if os.environ.get(VISIBLE) is not None and listed():
        return f"{VISIBLE} leaves none"
    return "the driver lists none; `clbench doctor` looks closer"
