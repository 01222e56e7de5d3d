"""container: clbench in a container, from the host."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from clbench.cli.options import PATH
from clbench.container import Settings, build, connect, created, run

F = TypeVar("F", bound=Callable[..., Any])
WORDS = {"ignore_unknown_options": True, "allow_interspersed_args": False}
SHELL = ["tini", "--", "bash"]


@click.group("container")
def container_command() -> None:
    """Build the container image, and run clbench or a shell in it.

    \b
    clbench container build
    clbench container run --gpus all reproduce --all
    """


def image_option(command: F) -> F:
    """``--image``."""
    return click.option(
        "--image", default="clbench", show_default=True, metavar="NAME", help="The image's name or id."
    )(command)  # fmt: skip


def settings_options(command: F) -> F:
    """The options of which a container's settings are made."""
    options = [
        image_option,
        click.option("--results", default="results", show_default=True, type=PATH, metavar="DIR",
                     help="Gets the runs and the store; made if it is not there."),
        click.option("--data", type=PATH, metavar="DIR", help="The folder with datasets; read-only."),
        click.option("--write-data", is_flag=True, help="Datasets may be written: for fetching and preparing them."),
        click.option("--gpus", default="none", show_default=True, metavar="GPUS",
                     help="all, a number, or ids such as device=0,1."),
        click.option("--shm", default="8g", show_default=True, metavar="SIZE", help="Shared memory for workers."),
        click.option("--user", metavar="UID:GID", help="Whom it runs as.  [default: you; never root]"),
        click.option("--network", default="none", show_default=True, metavar="NAME",
                     help="bridge lets it fetch data; a run needs no network."),
        click.option("--memory", metavar="SIZE", help="Upper limit, such as 32g."),
        click.option("--cpus", type=click.FloatRange(min=0, min_open=True), help="How many cores' time it gets."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@container_command.command("build")
@image_option
@click.option("--source", type=PATH, metavar="DIR", help="A checkout of clbench.  [default: this one]")
@click.option("--base-image", metavar="NAME", help="Instead of the CUDA image that the Dockerfile names.")
def build_command(image: str, source: Path | None, base_image: str | None) -> None:
    """Build the image of a checkout."""
    from clbench.identity import PACKAGE
    from clbench.provenance import revision

    arguments = {"REVISION": revision(), **({"BASE_IMAGE": base_image} if base_image else {})}
    folder = source or PACKAGE.parent.parent
    made = build(connect(), folder, image, arguments, lambda text: click.echo(text, nl=False))
    click.echo(f"{image}: {made}")


@container_command.command("run", context_settings=WORDS)
@settings_options
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="COMMAND…")
def run_command(words: tuple[str, ...], **options: Any) -> None:
    """Run clbench COMMAND in a container, such as `run ci`; options for the container stand before it.

    Ctrl-C and SIGTERM stop it in order, and the same command goes on. The exit code is that of COMMAND.
    """
    sys.exit(run(connect(), Settings(**options), words, _pass_on))


def _pass_on(piece: bytes) -> None:
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


@container_command.command("shell")
@settings_options
def shell_command(**options: Any) -> None:
    """Open a shell in a container: the same folders, the same user, the same limits."""
    from clbench.terminal import converse

    with created(connect(), Settings(**options), [], entrypoint=SHELL, tty=True, stdin_open=True) as container:
        sys.exit(converse(container))
