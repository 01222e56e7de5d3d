"""drift: how far a run's trunks moved away from what they had learnt."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click

from clbench.cli.options import PATH
from clbench.disk import writing_to
from clbench.drift.chains import chains_of
from clbench.drift.take import Taken, take, write_drift
from clbench.errors import ClbenchError, MissingEnvironment
from clbench.plan import Plan
from clbench.run import read_plan, report


@click.command("drift")
@click.argument("run_folder", metavar="RUN", type=PATH)
@click.option("--baseline", "baselines", multiple=True, help="Measure it; as often as wanted.  [default: all]")
@click.option("--seed", type=int, help="Measure the trainings under this seed.  [default: all]")
def drift_command(run_folder: Path, baselines: tuple[str, ...], seed: int | None) -> None:
    """Measure how far the representations of each task drift in the run in folder RUN; nothing is trained.

    Similarities of layers (linear CKA) go to RUN/drift.csv, a map of the last stage's features (t-SNE) to
    RUN/tsne.csv, and the report is written again with both. What was measured before is not measured again.
    """
    plan, taken = read_plan(run_folder), Taken()
    _require(plan, baselines, seed)
    with writing_to(Path(plan.store)):
        for words in take(plan, baselines, seed, taken):
            click.echo(words, err=True)
    if taken.drift:
        with writing_to(run_folder):
            files = write_drift(run_folder, plan, taken)
        report(plan, run_folder)
        click.echo(f"{', '.join(map(str, files))}; shown in {run_folder / 'report.html'}")
    if taken.holes:
        raise MissingEnvironment(_holes(taken.holes))


def _holes(holes: list[str]) -> str:
    return "\n".join(["not measured; `clbench run` trains what is missing:", *(f"  {hole}" for hole in holes)])


def _require(plan: Plan, baselines: tuple[str, ...], seed: int | None) -> None:
    """See that the run has what is asked for.

    Raises:
        ClbenchError: it has not.
    """
    chains = chains_of(plan)
    if not chains:
        raise ClbenchError("no drift can be measured: the run learns no task after another, or reports no case")
    for name in baselines:
        _known("baseline", name, {chain.uses[0].baseline for chain in chains})
    if seed is not None:
        _known("seed", seed, {chain.uses[0].seed for chain in chains})


def _known(kind: str, wanted: object, there: Collection[object]) -> None:
    if wanted not in there:
        words = ", ".join(sorted(map(str, there)))
        raise ClbenchError(f"the run has no {kind} {wanted!r} that learns stage by stage; it has {words}")
