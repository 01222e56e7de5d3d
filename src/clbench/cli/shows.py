"""list, show, validate: what there is, and whether it is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from clbench.cli.options import PATH, json_option, suite_option
from clbench.definitions.catalogue import FOLDERS, Catalogue, Kind
from clbench.definitions.suggest import suggestion
from clbench.errors import DefinitionError, MissingEnvironment, Problem

KINDS: tuple[Literal["benchmark"], Literal["task"], Literal["baseline"], Literal["method"]] = (
    "benchmark", "task", "baseline", "method",
)  # fmt: skip


@click.command("list")
@suite_option
@json_option
def list_command(suites: tuple[Path, ...], as_json: bool) -> None:
    """Name the benchmarks, tasks, baselines and methods."""
    catalogue = Catalogue.open(suites)
    names = {kind: catalogue.names(kind) for kind in KINDS}
    if as_json:
        click.echo(json.dumps(names, indent=1))
        return
    for kind, found in names.items():
        click.echo(f"{kind}s")
        for name in found:
            click.echo(f"  {name:24s}{_title(catalogue, kind, name)}")


def _title(catalogue: Catalogue, kind: Kind, name: str) -> str:
    from clbench.definitions.signatures import read_signature

    try:
        if kind == "method":
            return read_signature(catalogue.method_file(name)).title
        if kind == "benchmark":
            return catalogue.benchmark(name).title
        return catalogue.task(name).title if kind == "task" else catalogue.baseline(name).title
    except DefinitionError:
        return "(something is wrong with it; `clbench validate` says what)"
    except MissingEnvironment:
        return "(its dataset is not there; `clbench validate` says where it was looked for)"


@click.command("show")
@click.argument("name")
@suite_option
def show_command(name: str, suites: tuple[Path, ...]) -> None:
    """Print the file of the benchmark, task, baseline or method NAME, and where it lies."""
    catalogue = Catalogue.open(suites)
    found = [file for kind in KINDS if (file := catalogue.find(kind, name))]
    if not found:
        names = {known for kind in KINDS for known in catalogue.names(kind)}
        raise DefinitionError([Problem(None, None, "", f"nothing is called {name!r}; {suggestion(name, names)}")])
    for file in found:
        click.echo(f"# {file}\n{file.read_text(encoding='utf-8').rstrip()}\n")


@click.command("validate")
@click.argument("files", nargs=-1, type=PATH)
@suite_option
def validate_command(files: tuple[Path, ...], suites: tuple[Path, ...]) -> None:
    """Check FILES, or everything that `clbench list` names, and report all problems together."""
    from clbench.definitions.resolve import check

    catalogue = Catalogue.open(suites)
    chosen = files or tuple(catalogue.file(kind, name) for kind in KINDS for name in catalogue.names(kind))
    missing = [Problem(file, None, "", "there is no such file") for file in chosen if not file.is_file()]
    problems = missing + [problem for file in chosen if file.is_file() for problem in check(file, catalogue)]
    if problems:
        raise DefinitionError(list(dict.fromkeys(problems)))
    for file in chosen:
        for note in _notes(file, catalogue) if file.absolute().parent.name == FOLDERS["benchmark"] else ():
            click.echo(f"{file}: note: {note}")
    click.echo(f"{len(chosen)} file{'s' if len(chosen) > 1 else ''}, nothing wrong")


def _notes(file: Path, catalogue: Catalogue) -> list[str]:
    """What is worth knowing of a benchmark in which nothing is wrong."""
    from clbench.definitions.normalisation import channel_notes, chosen_plan
    from clbench.definitions.resolve import resolve

    resolved = resolve(file, catalogue)
    transfer = resolved.benchmark.protocols.transfer
    return channel_notes(resolved.tasks, chosen_plan(resolved.benchmark, transfer.targets if transfer else ()))
