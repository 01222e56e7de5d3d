"""A bundle that someone else made: checked whole before anything of it is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from clbench.bundle import archive
from clbench.bundle.header import FORMAT, Header
from clbench.errors import ClbenchError, CorruptArtifact, MissingEnvironment
from clbench.plan import Plan
from clbench.results.model import Summary
from clbench.results.reproduction import Measured
from clbench.results.rows import Row
from clbench.results.tidy import parse_table

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Bundle:
    """What is in a bundle.

    Attributes:
        path: its file.
        header: what it says of itself.
        files: all of its files by name.
        plan: its run's jobs, without the definition.
        measured: what its run measured.
    """

    path: Path
    header: Header
    files: Mapping[str, bytes]
    plan: Plan
    measured: Measured

    @property
    def methods(self) -> list[str]:
        """The names of the Python files that it brings."""
        return [name for name in self.files if name.startswith("methods/")]


def read_bundle(path: Path) -> Bundle:
    """Read a bundle; no code of it is run, and nothing is written.

    Raises:
        MissingEnvironment: there is none, it is no bundle, or it is one of another version.
        CorruptArtifact: it is truncated, changed, or has something in it that no bundle has.
    """
    files = archive.unpack(path)
    header = _header(path, files[archive.HEADER])
    plan = _model(path, header, Plan, archive.PLAN, files)
    summary = _model(path, header, Summary, archive.SUMMARY, files)
    try:
        rows = parse_table(Path(archive.ROWS), files[archive.ROWS], Row)
    except ClbenchError as error:
        raise CorruptArtifact(path, str(error)) from None
    bundle = Bundle(path, header, files, plan, Measured(summary, rows))
    _require_one_benchmark(bundle)
    return bundle


def _header(path: Path, content: bytes) -> Header:
    try:
        said = json.loads(content)
        written, by = said["format"], said["clbench"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CorruptArtifact(path, f"{archive.HEADER} does not say which version of bundle it is") from None
    if written != FORMAT:
        raise MissingEnvironment(
            f"{path} is a bundle of format {written}, written by clbench {by}; this clbench reads format {FORMAT}: "
            f"install clbench {by}, or have the bundle written anew"
        )
    try:
        return Header.model_validate_json(content)
    except ValidationError as error:
        raise CorruptArtifact(path, f"{archive.HEADER}: {_first(error)}") from None


def _model(path: Path, header: Header, kind: type[M], name: str, files: Mapping[str, bytes]) -> M:
    try:
        return kind.model_validate_json(files[name])
    except ValidationError as error:
        raise MissingEnvironment(
            f"{path}: its {name} is not of this version of clbench ({_first(error)}); "
            f"the bundle was written by clbench {header.clbench}"
        ) from None


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg']}"


def _require_one_benchmark(bundle: Bundle) -> None:
    """Header, definition and summary must speak of the same."""
    header, info = bundle.header, bundle.measured.summary.benchmark
    wanted = f"benchmark/{header.benchmark}.yaml"
    if (info.name, info.version) != (header.benchmark, header.version) or wanted not in bundle.files:
        raise CorruptArtifact(
            bundle.path, f"says that it is of {header.benchmark} v{header.version}, but has no definition or no "
            "numbers of that; get the bundle again"
        )  # fmt: skip
    if sum(job.kind == "prepare" for job in bundle.plan.jobs) != 1:
        raise CorruptArtifact(bundle.path, f"{archive.PLAN} is no whole plan; get the bundle again")
