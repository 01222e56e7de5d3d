"""bundle: a run in one file from which others repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from clbench.bundle import Bundle, bundle_of, differences, expectation
from clbench.cli.options import PATH
from clbench.disk import writing_to
from clbench.plan import Plan
from clbench.run import read_plan
from clbench.store import write_atomic


@click.command("bundle")
@click.argument("run_folder", metavar="RUN", type=PATH)
@click.option("--out", type=PATH, metavar="FILE", help="The bundle.  [default: BENCHMARK.tar.gz]")
def bundle_command(run_folder: Path, out: Path | None) -> None:
    """Pack the run in folder RUN into one file: definition, plan, measurements, summary, versions, checksums.

    No images and no weights. `clbench reproduce --from FILE` runs it again and compares.
    """
    content = bundle_of(run_folder)
    resolved = read_plan(run_folder).resolved
    assert resolved is not None
    file = out or Path(f"{resolved.benchmark.name}.tar.gz")
    with writing_to(file.parent):
        write_atomic(file, content)
    click.echo(f"{file}: {len(content) / 1e3:.0f} kB; repeat it with: clbench reproduce --from {file}")


def rerun_words(bundle: Bundle, plan: Plan, here: Mapping[str, Any]) -> str:
    """What a repetition will be, and in what it differs from the bundle's run, before it begins."""
    header = bundle.header
    common = {job.id for job in plan.jobs} & {job.id for job in bundle.plan.jobs}
    other = differences(bundle, here)
    table = tabulate(other, ["differs", "in the bundle", "here"], "simple", disable_numparse=True)
    return "\n".join([
        f"{bundle.path}: {header.benchmark} v{header.version}, written by clbench {header.clbench}",
        table if other else "versions and machine are those of the bundle",
        f"{len(common)} of {len(plan.jobs)} jobs have the bundle's data, settings, versions and code",
        f"the numbers will be held against the bundle's {expectation(bundle, here)}",
    ])  # fmt: skip
