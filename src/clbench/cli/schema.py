"""schema: what a file of clbench may hold, for editors and for other programs."""

from __future__ import annotations

import json
from typing import Literal, get_args

import click

Kind = Literal["summary", "benchmark", "task", "baseline", "slurm"]


@click.command("schema")
@click.argument("kind", type=click.Choice(get_args(Kind)))
def schema_command(kind: Kind) -> None:
    """Print the JSON Schema of a run's summary.json, or of the YAML file of a benchmark, task, baseline or a
    profile for Slurm.

    An editor that knows YAML completes and checks a file by it: write the schema to a file, and
    `# yaml-language-server: $schema=FILE` at the top of the definition.
    """
    click.echo(json.dumps(_schema(kind), indent=1, ensure_ascii=False))


def _schema(kind: Kind) -> dict[str, object]:
    if kind == "summary":
        from clbench.definitions.attribute_docs import schema_of
        from clbench.results.model import Summary

        return schema_of(Summary, "serialization")
    from clbench.definitions.schema import file_schema

    return file_schema(kind)
