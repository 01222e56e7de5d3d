"""export: a trained stage as an nnU-Net model folder."""

from __future__ import annotations

from pathlib import Path

import click

from clbench.cli.options import PATH
from clbench.errors import ClbenchError, MissingEnvironment
from clbench.plan import Job, Plan
from clbench.run import read_plan
from clbench.store import Store


@click.command("export")
@click.argument("run_folder", metavar="RUN", type=PATH)
@click.argument("job")
@click.argument("target", metavar="DIR", type=PATH)
@click.option("--head", help="The task whose head goes into the model.  [default: the stage's own task]")
def export_command(run_folder: Path, job: str, target: Path, head: str | None) -> None:
    """Copy the stage JOB of the run in folder RUN to DIR, ready for nnUNetv2_predict_from_modelfolder.

    JOB is a job's id, or enough of its beginning to tell which; `clbench plan BENCHMARK --json` names them.
    """
    plan = read_plan(run_folder)
    chosen = _find(plan, job)
    if target.exists() and any(target.iterdir()):
        raise ClbenchError(f"{target} is not empty; name a new folder")
    from clbench.job.export import export

    task = export(plan, chosen, Store(Path(plan.store)), target, head)
    click.echo(f"{chosen.title}, head of {task} -> {target}")
    click.echo(f"nnUNetv2_predict_from_modelfolder -i IMAGES -o OUTPUT -m {target} -f 0")


def _find(plan: Plan, job: str) -> Job:
    found = [entry for entry in plan.jobs if entry.kind == "stage" and entry.id.startswith(job)]
    if len(found) == 1:
        return found[0]
    names = "\n".join(f"  {entry.id}  {entry.title}" for entry in found or plan.jobs if entry.kind == "stage")
    raise MissingEnvironment(f"{len(found)} stages begin with {job!r}; there are\n{names}")
