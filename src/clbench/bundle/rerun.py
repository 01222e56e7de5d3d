"""A bundle's run once more, from its own definition."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clbench.bundle.definition import CHECKPOINTS, lay_out, resolved_in
from clbench.bundle.header import data_of
from clbench.bundle.reading import Bundle
from clbench.disk import make_folder, writing_to
from clbench.errors import MissingEnvironment
from clbench.plan import Plan
from clbench.plan.trust import require_trusted
from clbench.results.reproduction import not_exact
from clbench.run import Places
from clbench.store import file_digest

Difference = tuple[str, str, str]
"""What differs, as it was there, as it is here."""
ABSENT = "–"


def rerun_plan(bundle: Bundle, places: Places, trust: bool) -> Plan:
    """Plan a bundle's run on this machine.

    The definition is written into the store, where its Python can be read, and is taken from there; of what is
    installed it takes clbench's own methods, and the anatomy.

    Args:
        bundle: what is to be repeated.
        places: where data are found, and where the run goes.
        trust: whether Python that the bundle brings may be run.

    Raises:
        Untrusted: the bundle brings Python, and nobody said that it is trusted.
        DefinitionError: this clbench has not the methods, settings or keys that the definition names.
        MissingEnvironment: data or networks are missing, or are not those of the bundle; all of them are named.
    """
    name = hashlib.sha256(bundle.path.read_bytes()).hexdigest()[:16]
    folder = places.store.absolute() / "bundles" / name
    starts = _checkpoints(bundle, places)
    make_folder(folder)
    with writing_to(folder):
        lay_out(folder, bundle.files, starts)
    require_trusted((folder / method for method in bundle.methods), trust)
    resolved = resolved_in(folder, bundle.header.benchmark, places.datasets)
    plan = places.planned(resolved, ready=True)
    _require_same_data(bundle, plan)
    return plan


def _checkpoints(bundle: Bundle, places: Places) -> dict[str, Path]:
    """The networks that the run starts from, which a bundle does not hold."""
    folder = places.datasets.root / CHECKPOINTS
    files = {name: folder / f"{name}.pth" for name in bundle.header.checkpoints}
    wrong = [
        f"  {file}: sha256 {bundle.header.checkpoints[name]}" for name, file in files.items()
        if not file.is_file() or file_digest(file) != bundle.header.checkpoints[name]
    ]  # fmt: skip
    if wrong:
        lines = "\n".join(wrong)
        raise MissingEnvironment(f"the run starts from networks that a bundle does not hold; put them here:\n{lines}")
    return files


def _require_same_data(bundle: Bundle, plan: Plan) -> None:
    """Other cases give other numbers, and comparing them says nothing."""
    anatomy, datasets = data_of(plan)
    there = bundle.header.datasets
    other = [task for task, manifest in there.items() if datasets.get(task) != manifest]
    if other or anatomy != bundle.header.anatomy:
        names = ", ".join(other) or "the embedded anatomy"
        raise MissingEnvironment(
            f"the data here are not those of the bundle: {names}; get the same version of them. To run the same "
            "definition on your data: unpack the bundle, and name its folder with --suite"
        )


def differences(bundle: Bundle, here: Mapping[str, Any]) -> list[Difference]:
    """In what this machine and environment differ from those that the bundle was made with.

    Args:
        bundle: what is to be repeated.
        here: ``provenance.environment()``.
    """
    there = bundle.measured.summary.provenance
    both = dict(_flat(there)), dict(_flat(here))
    return [
        (name, both[0].get(name, ABSENT), both[1].get(name, ABSENT))
        for name in dict.fromkeys([*both[0], *both[1]])
        if both[0].get(name) != both[1].get(name)
    ]


def expectation(bundle: Bundle, here: Mapping[str, Any]) -> str:
    """How the new numbers will be held against the bundle's, and why."""
    obstacle = not_exact(here, bundle.measured.summary.provenance)
    return f"by paired seeds: {obstacle}" if obstacle else "to the bit: same versions, same arithmetic"


def _flat(provenance: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("clbench", "revision", "python", "libc", "arithmetic"):
        yield name, str(provenance.get(name, ABSENT))
    for part in ("libraries", "machine"):
        for name, value in dict(provenance.get(part, {})).items():
            yield name, ", ".join(value) if isinstance(value, list) else str(value)
