"""data: bring datasets here, prepare them, verify them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import click

from clbench.cli.options import PATH, data_option, suite_option
from clbench.data.problems import shortened_list
from clbench.definitions.cards import TaskCard
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.places import DataPlaces
from clbench.errors import ClbenchError, DefinitionError, MissingEnvironment, Problem

TASKS = click.argument("names", metavar="TASK...", nargs=-1, required=True)
PROCESSES = click.option(
    "--processes", type=click.IntRange(min=1), help="Cases read side by side.  [default: one per core]"
)


@click.group("data")
def data_command() -> None:
    """Fetch, prepare and verify the datasets of tasks; a benchmark's name stands for all its tasks.

    `clbench run` prepares by itself what lies in the data folder.
    """


@data_command.command("list")
@suite_option
@data_option
def list_command(suites: tuple[Path, ...], data: Path | None) -> None:
    """Say of every task where its dataset is."""
    places = DataPlaces.default(data)
    catalogue = Catalogue.open(suites, places)
    for name in catalogue.names("task"):
        try:
            card = catalogue.task(name)
        except ClbenchError as error:
            click.echo(f"{name:20s} {str(error).splitlines()[0]}")
            continue
        if card.source.kind != "anatomy":
            click.echo(f"{name:20s} {_state(card, places)}")


def _state(card: TaskCard, places: DataPlaces) -> str:
    from clbench.data.available import is_there, manifest_digest
    from clbench.data.fetch import origin

    if found := manifest_digest(card, places):
        return f"prepared   {card.cases} cases, manifest {found[:12]}"
    licence = getattr(card.source, "licence", None)
    return "here       not prepared" if is_there(card, places) else f"not here   {origin(card)} ({licence})"


@data_command.command("fetch")
@TASKS
@suite_option
@data_option
def fetch_command(names: tuple[str, ...], suites: tuple[Path, ...], data: Path | None) -> None:
    """Download the datasets of TASKs.

    After an interruption the same command goes on where it was.
    """
    from clbench.data.fetch import fetch
    from clbench.data.telling import ConsoleTelling

    places = DataPlaces.default(data)
    _with_each(_cards(names, suites, places), partial(fetch, places=places, telling=ConsoleTelling()))


@data_command.command("prepare")
@TASKS
@suite_option
@data_option
@PROCESSES
def prepare_command(
    names: tuple[str, ...], suites: tuple[Path, ...], data: Path | None, processes: int | None
) -> None:
    """Check and lay out the datasets of TASKs.

    Every case is read once and checked; images and labels are laid out for nnU-Net by links; a manifest says what
    they are. What is wrong is reported for all cases together, and the same command goes on once it is mended.
    """
    from clbench.data.notes import axes_between
    from clbench.data.prepare import prepare
    from clbench.data.telling import ConsoleTelling

    places = DataPlaces.default(data)
    telling = ConsoleTelling()
    axes: dict[str, Mapping[str, int]] = {}

    def lay_out(card: TaskCard) -> None:
        if card.source.kind == "anatomy":
            telling.say(f"{card.name}: nothing to prepare, its cases are generated when it is run")
            return
        dataset = prepare(card, places, processes, telling)
        axes[card.name] = dataset.axes
        click.echo(f"{card.name}: manifest {dataset.manifest} in {places.prepared(card.name) / 'manifest.json'}")

    _with_each(_cards(names, suites, places), lay_out)
    for note in axes_between(axes) if len(axes) > 1 else ():
        telling.say(f"note: {note}")


@data_command.command("verify")
@TASKS
@suite_option
@data_option
@PROCESSES
@click.option("--against", type=PATH, metavar="FILE", help="A published manifest.  [default: the task's own]")
def verify_command(
    names: tuple[str, ...], suites: tuple[Path, ...], data: Path | None, processes: int | None, against: Path | None
) -> None:
    """Compare the datasets of TASKs with manifests.

    Every file is read again; cases that differ are named.
    """
    from clbench.data.prepare import verify
    from clbench.data.telling import ConsoleTelling

    places = DataPlaces.default(data)
    cards = [card for card in _cards(names, suites, places) if card.source.kind != "anatomy"]
    if against and len(cards) != 1:
        raise ClbenchError("--against compares one task with one manifest; name one task that has a dataset")

    def compare(card: TaskCard) -> None:
        if found := verify(card, places, against, processes, ConsoleTelling()):
            raise MissingEnvironment("\n".join(f"task {card.name}: {text}" for text in shortened_list(found)))
        click.echo(f"{card.name}: {card.cases} cases, every file as in {against or 'its manifest'}")

    _with_each(cards, compare)


def _with_each(cards: Iterable[TaskCard], work: Callable[[TaskCard], None]) -> None:
    """Do the work of every card, whatever fails with another.

    Raises:
        MissingEnvironment: it failed with some; what is wrong with any of them.
    """
    failed = []
    for card in cards:
        try:
            work(card)
        except MissingEnvironment as error:
            failed.append(str(error))
    if failed:
        raise MissingEnvironment("\n".join(failed))


def _cards(names: tuple[str, ...], suites: tuple[Path, ...], places: DataPlaces) -> list[TaskCard]:
    """The cards of tasks, and of the tasks of benchmarks, each once."""
    from clbench.definitions.resolve import resolve
    from clbench.definitions.suggest import suggestion

    catalogue = Catalogue.open(suites, places)
    cards: dict[str, TaskCard] = {}
    for name in names:
        if catalogue.find("task", name):
            cards[name] = catalogue.task(name)
        elif catalogue.find("benchmark", name) or name.endswith((".yaml", ".yml")):
            cards |= resolve(name, catalogue).tasks
        else:
            known = {*catalogue.names("task"), *catalogue.names("benchmark")}
            message = f"there is no task or benchmark {name!r}; {suggestion(name, known)}"
            raise DefinitionError([Problem(None, None, "", message)])
    return list(cards.values())
