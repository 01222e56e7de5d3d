"""A resolved definition as a suite that needs no other: every name that it uses is in it, and nothing but that."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clbench.bundle.archive import PLANS
from clbench.definitions.base import Record
from clbench.definitions.catalogue import Catalogue, package_root
from clbench.definitions.models import Benchmark, PlansFrom, Resolved, Start
from clbench.definitions.places import DataPlaces
from clbench.definitions.resolve import resolve
from clbench.definitions.sources import OWN_KINDS
from clbench.store import write_atomic

CHECKPOINTS = "checkpoints"
"""Where a suite's networks from elsewhere lie, by the names that tables call them; a bundle has none."""


def suite_files(resolved: Resolved) -> dict[str, bytes]:
    """The definition as it is run, by name in the bundle, and under ``written/`` the files as they were written.

    Raises:
        OSError: a file that it was read from is no longer there.
    """
    benchmark = _self_contained(resolved.benchmark)
    files = {f"benchmark/{benchmark.name}.yaml": _document(benchmark)}
    for name, card in resolved.tasks.items():
        own = card.source.kind in OWN_KINDS  # the dataset may have said a part of it
        files[f"tasks/{name}.yaml"] = _document(card) if own else resolved.files.tasks[name].read_bytes()
    files |= {f"baselines/{name}.yaml": file.read_bytes() for name, file in resolved.files.baselines.items()}
    files |= {f"methods/{file.name}": file.read_bytes() for file in own_methods(resolved)}
    if resolved.files.plans:
        files[PLANS] = resolved.files.plans.read_bytes()
    return files | {f"written/{name}": file.read_bytes() for name, file in _written(resolved)}


def own_methods(resolved: Resolved) -> tuple[Path, ...]:
    """The source files of the methods that clbench does not ship, each once."""
    shipped = package_root() / "methods"
    files = dict.fromkeys(variant.method_file for variant in resolved.baselines)
    return tuple(file for file in files if file.parent != shipped)


def lay_out(folder: Path, files: Mapping[str, bytes], checkpoints: Mapping[str, Path]) -> None:
    """Write a suite's files below a folder, and link the networks that it starts from."""
    for name, content in files.items():
        if "/" in name or name == PLANS:
            write_atomic(folder / name, content)
    for name, file in checkpoints.items():
        link = folder / CHECKPOINTS / f"{name}.pth"
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(file)


def resolved_in(folder: Path, benchmark: str, places: DataPlaces) -> Resolved:
    """Resolve a suite by itself; of the installed clbench it takes methods alone.

    Raises:
        DefinitionError: something is wrong with it, or this clbench has not the methods or settings it names.
    """
    return resolve(benchmark, Catalogue((folder,), places))


def same(one: Resolved, other: Resolved) -> bool:
    """Whether two resolved definitions are the same, wherever their files lie."""
    return _comparable(one) == _comparable(other)


def _comparable(resolved: Resolved) -> tuple[Any, ...]:
    variants = [variant.model_dump(exclude={"method_file"}) for variant in resolved.baselines]
    return _self_contained(resolved.benchmark), resolved.tasks, variants


def _self_contained(benchmark: Benchmark) -> Benchmark:
    """The definition extending nothing, and naming files by the places that they have in the bundle."""
    backbone, protocols = benchmark.backbone, benchmark.protocols
    if isinstance(backbone.plans, PlansFrom) and backbone.plans.file is not None:
        plans = backbone.plans.model_copy(update={"file": f"../{PLANS}"})
        backbone = backbone.model_copy(update={"plans": plans})
    if protocols.transfer:
        starts = tuple(map(_placed, protocols.transfer.from_))
        protocols = protocols.model_copy(update={"transfer": protocols.transfer.model_copy(update={"from_": starts})})
    return benchmark.model_copy(update={"extends": None, "backbone": backbone, "protocols": protocols})


def _placed(start: str | Start) -> str | Start:
    if isinstance(start, str):
        return start
    return start.model_copy(update={"checkpoint": f"../{CHECKPOINTS}/{start.name}.pth"})


def _document(record: Record) -> bytes:
    """JSON, which is YAML, without defaults, since some may not be written out."""
    return (json.dumps(record.model_dump(mode="json", exclude_defaults=True), indent=1) + "\n").encode()


def _written(resolved: Resolved) -> Iterator[tuple[str, Path]]:
    """The benchmark's own file, those that it extends, and every card of a dataset that describes itself."""
    taken: set[str] = set()
    for index, file in enumerate(resolved.files.benchmark):
        name = file.stem if file.stem not in taken else f"{file.stem}-{index}"
        taken.add(file.stem)
        yield f"benchmark/{name}.yaml", file
    for name, card in resolved.tasks.items():
        if card.source.kind in OWN_KINDS:
            yield f"tasks/{name}.yaml", resolved.files.tasks[name]
