"""What a run computed, as one SHA-256 for each array and plain value: equal digests are equal bits."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
import torch

from clbench.nnunet.properties import read_properties
from clbench.plan import Plan
from clbench.store import Store, read_checked, read_sealed

Digests = dict[str, str]
"""Job, file and place in the file → SHA-256; jobs in the plan's order, the files of a job in the order of cause."""
CAUSES_FIRST = (
    "raw", "plans.json", "preprocessed", "trained.json", "model", "memory.pth", "predictions", "result.json",
)  # fmt: skip
"""Files and folders of a job; the first difference then lies where the computation departs."""
ABOUT_THE_MACHINE = frozenset({"arithmetic", "train_seconds", "evaluate_seconds", "peak_memory_mb"})
"""Keys of a job's documents that say how and how fast it was computed."""
ABOUT_FILES = "files"
"""Key of a document's list of files, which are read here themselves: compressed bytes may differ without meaning."""
NOT_COMPUTED = frozenset({"log.txt", "progress.json"})


def digests_of(plan: Plan) -> Digests:
    """The digests of everything in the store that the jobs of a plan computed.

    Raises:
        ValueError: a file of a kind that is not known.
    """
    store, found = Store(Path(plan.store)), {}
    for number, job in enumerate(plan.jobs, start=1):
        folder = store.job(job.id).path
        for file in _files(folder):
            for place, value in _values(file):
                found[f"{number} {job.title}: {file.relative_to(folder)}: {place}"] = _digest(value)
    return found


def fingerprints_of(plan: Plan) -> list[str]:
    """The digests of the cases' fingerprints in the plan's store; their names depend on code and arithmetic."""
    return sorted(_digest(read_checked(file)) for file in Path(plan.store).glob("fingerprints/*.fingerprint"))


def differences(one: Digests, other: Digests) -> list[str]:
    """The places whose digests differ, or that only one has, in the order of the first."""
    return [place for place in one | other if one.get(place) != other.get(place)]


def _files(folder: Path) -> list[Path]:
    files = (file for file in folder.rglob("*") if file.is_file() and file.name not in NOT_COMPUTED)
    return sorted(files, key=lambda file: (CAUSES_FIRST.index(file.relative_to(folder).parts[0]), file))


def _values(file: Path) -> Iterator[tuple[str, Any]]:
    ending = file.name[file.name.index(".") :]
    if ending not in READERS:
        raise ValueError(f"{file}: no reader for {ending} in {__name__}")
    yield from _flat(READERS[ending](file))


def _json(file: Path) -> Any:
    if file.name in ("result.json", "trained.json"):
        return {key: value for key, value in read_sealed(file).items() if key != ABOUT_FILES}
    return json.loads(file.read_text())


def _arrays(file: Path) -> dict[str, np.ndarray]:
    with np.load(file) as archive:
        return {name: archive[name] for name in archive.files}


READERS: dict[str, Callable[[Path], Any]] = {
    ".pth": lambda file: torch.load(file, map_location="cpu", weights_only=True),
    ".b2nd": lambda file: blosc2.open(str(file), mode="r")[:],
    ".pkl": read_properties,
    ".npz": _arrays,
    ".nii": Path.read_bytes,
    ".nii.gz": lambda file: gzip.decompress(file.read_bytes()),
    ".json": _json,
}


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested dictionaries and sequences with their places."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ABOUT_THE_MACHINE:
                yield from _flat(inner, f"{place}/{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{place}/{index}")
    else:
        yield place or "/", value


def _digest(value: Any) -> str:
    return hashlib.sha256(b"".join(_bytes(value))).hexdigest()


def _bytes(value: Any) -> Iterator[bytes]:
    """Type, shape and bits; of plain values Python's shortest exact spelling."""
    if isinstance(value, torch.Tensor):
        value = value.detach().contiguous().numpy()
    if isinstance(value, np.ndarray | np.generic):
        yield f"{value.dtype} {value.shape} ".encode()
        yield value.tobytes()
    else:
        yield value if isinstance(value, bytes) else f"{type(value).__name__} {value!r}".encode()
