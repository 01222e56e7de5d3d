"""runs: several runs in one table."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from clbench.cli.options import PATH, json_option
from clbench.errors import MissingEnvironment
from clbench.report.render import comma_separated, markdown, terminal
from clbench.report.runs_table import runs_json, runs_table
from clbench.several import look, refuse_mixed, run_folders


@click.command("runs")
@click.argument("folders", nargs=-1, type=PATH, metavar="[FOLDER]…")
@click.option("--markdown", "markdown_file", type=PATH, metavar="FILE", help="Also write the table as Markdown.")
@click.option("--csv", "csv_file", type=PATH, metavar="FILE", help="Also write the table as CSV, numbers in full.")
@json_option
def runs_command(
    folders: tuple[Path, ...], markdown_file: Path | None, csv_file: Path | None, as_json: bool
) -> None:
    """Show the runs in one or more FOLDERs, or all below reports/, in one table.

    Refused: versions of one definition, a definition beside its subset, AS-ORIGINAL beside other models. Exit code 4
    if one of the FOLDERs has no numbers.
    """
    found = [look(folder) for folder in folders or run_folders(Path("reports"))]
    refuse_mixed(found)
    table = runs_table(found)
    for file, text in ((markdown_file, f"{markdown(table)}\n{table.note}\n"), (csv_file, comma_separated(table))):
        if file is not None:
            file.write_text(text, encoding="utf-8")
    click.echo(runs_json(found) if as_json else terminal(table))
    unread = any(one.summary is None for one in found)
    sys.exit(MissingEnvironment.exit_code if folders and unread else 0)
