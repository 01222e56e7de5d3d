"""pictures: what a case looks like stage by stage."""

from __future__ import annotations

from pathlib import Path

import click

from clbench.cli.options import PATH
from clbench.errors import ClbenchError
from clbench.pictures.gallery import Chosen, Gallery, write_strip
from clbench.run import gallery_of, read_plan


@click.command("pictures")
@click.argument("run_folder", metavar="RUN", type=PATH)
@click.option("--task", help="Show cases of this task only.")
@click.option("--case", help="Show this case.  [default: of each task the best, the median and the worst]")
@click.option("--baseline", "baselines", multiple=True, help="Show it; as often as wanted.  [default: all]")
@click.option("--seed", type=int, help="Show the trainings under this seed.  [default: the first]")
def pictures_command(
    run_folder: Path, task: str | None, case: str | None, baselines: tuple[str, ...], seed: int | None
) -> None:
    """Draw cases of the run in folder RUN with what each baseline predicts after every stage.

    Strips go to RUN/pictures, image, reference and predictions to RUN/volumes. The run's definition must say
    `predictions: keep`.
    """
    gallery = gallery_of(read_plan(run_folder), seed)
    gallery.require_predictions()
    for chosen in _chosen(gallery, task, case, baselines):
        files = write_strip(run_folder / "pictures", gallery.strip(chosen, baselines))
        volumes = gallery.write_volumes(run_folder / "volumes", chosen, baselines)
        click.echo(f"{', '.join(map(str, files))}; {len(volumes)} volumes in {volumes[0].parent}")


def _chosen(gallery: Gallery, task: str | None, case: str | None, baselines: tuple[str, ...]) -> list[Chosen]:
    """What is shown.

    Raises:
        ClbenchError: something is asked for that the run does not have.
    """
    named = [("task", task, gallery.tasks), *(("baseline", name, gallery.baselines) for name in baselines)]
    for kind, name, known in named:
        if name is not None and name not in known:
            raise ClbenchError(f"the run shows no {kind} {name!r} stage by stage; it has {', '.join(known)}")
    if case is not None:
        return [gallery.require_case(case, task)]
    found = [chosen for one in gallery.tasks if task in (None, one) for chosen in gallery.typical(one)]
    if not found:
        raise ClbenchError("nothing is measured yet at the end of the sequence; name a case with --case")
    return found
