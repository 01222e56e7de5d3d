"""new: definitions to go on from."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from clbench.cli.options import data_option, suite_option
from clbench.definitions.places import DataPlaces
from clbench.scaffold.suite import Suite

NAME = click.argument("name")
FROM = "nnU-Net datasets (number, folder's name, or path) or tasks, in the order in which they are learnt."


@click.group("new")
def new_command() -> None:
    """Write a task card, benchmark, baseline or method to go on from.

    It is written into the first --suite, or into my-suite. Nothing that is there is overwritten or hidden.
    """


def _listed(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.strip() for text in texts for word in text.split(",") if word.strip())


@new_command.command("benchmark")
@NAME
@click.option("--from", "sources", multiple=True, required=True, metavar="DATASET,…", callback=_listed, help=FROM)
@click.option("--target", "targets", multiple=True, metavar="DATASET,…", callback=_listed, help="The same, held out.")
@suite_option
@data_option
def benchmark_command(
    name: str, sources: tuple[str, ...], targets: tuple[str, ...], suites: tuple[Path, ...], data: Path | None
) -> None:
    """Write a benchmark NAME over datasets, and a card for each that has none.

    With one dataset and a target it is nnU-Net's pretraining and fine-tuning.
    """
    from clbench.scaffold.benchmark import write_benchmark

    suite = _suite(suites, data)
    words = _words(suite, name, data)
    _say(write_benchmark(suite, name, sources, targets))
    click.echo(
        "next:\n"
        f"  clbench preflight {words}\n      where the datasets' own plans differ, and what each loses by one plan\n"
        f"  clbench plan {words}\n      what it would take\n"
        f"  clbench run {words}\n      do it; the report is in reports/{name}"
    )


@new_command.command("task")
@NAME
@click.option("--from", "source", required=True, metavar="DATASET", help="Number, folder's name, or path.")
@suite_option
@data_option
def task_command(name: str, source: str, suites: tuple[Path, ...], data: Path | None) -> None:
    """Write the card NAME of an nnU-Net dataset."""
    from clbench.scaffold.tasks import write_task

    suite = _suite(suites, data)
    _say(write_task(suite, name, source))
    click.echo(f"next:\n  clbench data prepare {_words(suite, name, data)}\n      read and check every case")


@new_command.command("baseline")
@NAME
@click.option("--method", required=True, help="A baseline to copy, or a method.")
@suite_option
def baseline_command(name: str, method: str, suites: tuple[Path, ...]) -> None:
    """Write a baseline NAME, begun as a copy of another one."""
    from clbench.scaffold.baseline import write_baseline

    suite = _suite(suites, None)
    _say(write_baseline(suite, name, method))
    click.echo(f"next: change its settings, then\n  clbench test-method {_tested(suite, name)}")


@new_command.command("method")
@NAME
@suite_option
def method_command(name: str, suites: tuple[Path, ...]) -> None:
    """Write a method and a baseline NAME that uses it."""
    from clbench.scaffold.method import write_method

    suite = _suite(suites, None)
    _say(write_method(suite, name))
    click.echo(f"next:\n  clbench test-method {_tested(suite, name)}\n      check what every method must keep")


def _suite(suites: tuple[Path, ...], data: Path | None) -> Suite:
    folder, *others = suites or (Path("my-suite"),)
    return Suite(folder, tuple(others), DataPlaces.default(data))


def _tested(suite: Suite, baseline: str) -> str:
    """The arguments that test a baseline; one whose method is a suite's has to be trusted."""
    from clbench.conformance.finding import find_variant
    from clbench.plan.trust import untrusted

    strange = untrusted([find_variant(baseline, suite.catalogue()).method_file])
    return _words(suite, baseline, None) + (" --trust" if strange else "")


def _words(suite: Suite, name: str, data: Path | None) -> str:
    """The arguments that find what was written."""
    folders = [word for folder in (suite.folder, *suite.others) for word in ("--suite", str(folder))]
    return shlex.join([name, *folders, *(["--data", str(data)] if data else [])])


def _say(files: list[Path]) -> None:
    for file in files:
        click.echo(f"wrote {file}")
