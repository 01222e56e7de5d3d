"""The command line: parse, call, print; every command is imported only when it is called."""

from __future__ import annotations

import os
from importlib import import_module

import click

from clbench import __version__
from clbench.arithmetic import problem

COMMANDS = {
    "list": ("shows", "Name the benchmarks, tasks, baselines and methods."),
    "show": ("shows", "Print the file of a benchmark, task, baseline or method."),
    "new": ("new", "Write a benchmark of your own datasets, a task, a baseline or a method to go on from."),
    "validate": ("shows", "Check definitions and report everything that is wrong with them."),
    "test-method": ("conformance", "Train a method on a tiny benchmark and check what every method must keep."),
    "doctor": ("doctor", "Check this machine: versions, cores, memory, disk, accelerator, anatomy."),
    "data": ("data", "Fetch, prepare and verify the datasets of tasks."),
    "plan": ("planning", "Say what a run would do and cost: its jobs, which are cached, hours, disk, memory."),
    "preflight": (
        "preflight",
        "Show where the tasks' own nnU-Net plans differ, and what each loses by the shared one.",
    ),
    "run": ("runs", "Run a benchmark, or go on with it, and write its report."),
    "status": ("runs", "Say how far a run is."),
    "runs": ("several", "Show several runs in one table."),
    "report": ("runs", "Write a run's tables again and print them."),
    "pictures": ("pictures", "Draw cases with what each baseline predicts after every stage."),
    "drift": ("drift", "Measure how far each task's representations drift while later ones are learnt."),
    "compare": ("compare", "Compare a run with a reference: reproduced, drifted, missing or not judged."),
    "reproduce": ("reproduce", "Run benchmarks, or what a bundle holds, and hold each against its reference."),
    "bundle": ("bundle", "Pack a run into one file from which others repeat it."),
    "reference": ("compare", "Keep what a run measured as a reference."),
    "metrics": ("metrics", "Compute every published variant of BWT, FWT and forgetting of a finished sequence."),
    "schema": ("schema", "Print the JSON Schema of a summary, or of a benchmark's, task's or baseline's file."),
    "export": ("export", "Copy a stage out as an nnU-Net model folder."),
    "container": ("container", "Build the container image, and run clbench or a shell in it."),
    "job": ("runs", "Do one job of a plan; the engine calls this."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and one line of each, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"clbench.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="clbench")
def group() -> None:
    """Benchmark continual learning for 3-D medical image segmentation on nnU-Net v2.

    \b
    clbench run mini-organs          real CT anatomy, minutes on two CPU cores
    clbench plan seven-organs        what the full benchmark would take
    """


def main() -> None:
    """Run the command line; clbench's own errors end with their message and exit code."""
    from clbench.errors import ClbenchError

    if wrong := problem(os.environ):
        click.echo(f"error: {wrong}", err=True)
        raise SystemExit(2)
    try:
        group.main(standalone_mode=True)
    except ClbenchError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
