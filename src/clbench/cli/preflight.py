"""preflight: where the datasets' own plans differ, and what each loses by the shared one."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import click

from clbench.cli.options import data_option, json_option, store_option, suite_option
from clbench.cores import available_cores
from clbench.data.problems import shortened_list
from clbench.disk import make_folder, writing_to
from clbench.plan import PrepareSpec
from clbench.plan.notes import data_notes
from clbench.report.preflight_tables import preflight_tables, preflight_words
from clbench.report.render import TERMINAL_WIDTH, terminal
from clbench.run import Places
from clbench.store import Store


@click.command("preflight")
@click.argument("benchmark")
@suite_option
@store_option
@data_option
@json_option
def preflight_command(
    benchmark: str, suites: tuple[Path, ...], store: Path, data: Path | None, as_json: bool
) -> None:
    """Show where the plans of BENCHMARK's datasets would differ, and what each loses by the one that they share.

    Looks at the training cases only, and keeps what it found: neither a second call nor a run does it again.
    """
    plan = Places(suites, store, data=data).plan(benchmark, ready=True)
    assert plan.resolved is not None
    from clbench.job.preflight import preflight

    make_folder(store)
    with writing_to(store):
        found = preflight(plan.preparation, Store(store), threads=available_cores())
    found = {"benchmark": plan.resolved.benchmark.name, **found}
    found["datasets"] = {task: found["datasets"][task] for task in plan.resolved.tasks}
    found["notes"] = data_notes(PrepareSpec.model_validate(plan.preparation.spec))
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for words in preflight_words(plan.resolved.benchmark.name, found):
        click.echo(textwrap.fill(words, TERMINAL_WIDTH, subsequent_indent="  " if words.startswith("-") else ""))
    for note in shortened_list(found["notes"]):
        click.echo(textwrap.fill(f"Note: {note}.", TERMINAL_WIDTH, subsequent_indent="  "))
    for table in preflight_tables(found):
        click.echo(f"\n{terminal(table)}", nl=False)
