"""metrics: every published variant of every metric, of anyone's finished sequence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from clbench.cli.options import PATH, json_option
from clbench.data.problems import shortened
from clbench.errors import ClbenchError
from clbench.references import ROWS, read_measured
from clbench.report.passport_tables import variant_tables
from clbench.report.render import terminal
from clbench.results.imports import Imported, read_beside, read_matrix, square
from clbench.results.matrix import Matrix, Vector, diagonal
from clbench.results.passport import Finished, Variant, values
from clbench.results.summary import check_rows

NAMED = 12
"""Tasks or holes that are named."""
Found = tuple[tuple[Variant, float | None], ...]


@click.command("metrics")
@click.argument("file", type=PATH)
@click.option("--finetune", type=PATH, metavar="FILE", help="The same matrix of sequential fine-tuning.")
@click.option("--cumulative", type=PATH, metavar="FILE", help="The same matrix of cumulative training.")
@click.option("--joint", type=PATH, metavar="FILE", help="One line: each task after joint training.")
@click.option("--scratch", type=PATH, metavar="FILE", help="One line: each task trained alone.")
@click.option("--untrained", type=PATH, metavar="FILE", help="One line: each task by an untrained network.")
@click.option("--order", metavar="TASK,TASK,…", help="Folders: the tasks in the order in which they were learnt.")
@json_option
def metrics_command(
    file: Path, finetune: Path | None, cumulative: Path | None, joint: Path | None, scratch: Path | None,
    untrained: Path | None, order: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Compute the metric passport of FILE: all published variants of BWT, FWT, forgetting and their kin.

    FILE is a CSV matrix (line i, column j: task j after stage i; a header and names are optional, holes are empty),
    a folder STAGE/TASK/summary.json of nnU-Net's evaluations, or the folder of a run, which has its own references.
    """
    if _is_run(file):
        beside = {"finetune": finetune, "cumulative": cumulative, "joint": joint, "scratch": scratch,
                  "untrained": untrained, "order": order}  # fmt: skip
        click.echo(_of_run(file, [name for name, given in beside.items() if given], as_json))
        return
    imported = square(read_matrix(file, tuple(order.split(",")) if order else ()), file)
    stages = len(imported.tasks)
    finished = Finished(
        imported.matrix,
        finetune=_beside(finetune, imported, stages),
        scratch=_line(scratch, imported),
        cumulative=diagonal(_beside(cumulative, imported, stages) or ()) or None,
        joint=_line(joint, imported),
        untrained=_line(untrained, imported) or imported.untrained,
        cases=imported.cases,
    )
    found = values(finished)
    click.echo(_json(imported, found) if as_json else _page(imported, found))


def _is_run(path: Path) -> bool:
    return path.is_dir() and any((path / name).is_file() for name in ("plan.json", *ROWS))


def _of_run(folder: Path, given: Sequence[str], as_json: bool) -> str:
    """The passport of a run, or of a reference.

    Raises:
        ClbenchError: an option is given that a run has no use for, its rows are of another benchmark than its
            summary, or no stage of the sequence was measured.
    """
    if given:
        raise ClbenchError(f"{folder}: a run's own baselines are its references; leave out --{given[0]}")
    measured = read_measured(folder)
    info, lines = measured.summary.benchmark, measured.summary.passport
    check_rows(info, measured.rows)
    if not any(value for line in lines for value in line.values.values()):
        raise ClbenchError(f"{folder}: nothing in it was measured stage by stage, which these metrics are of")
    if as_json:
        entries = [line.model_dump(mode="json") for line in lines]
        return json.dumps({"benchmark": info.name, "version": info.version, "metrics": entries}, indent=1)
    return "\n".join(map(terminal, variant_tables(measured.summary)))


def _beside(path: Path | None, imported: Imported, lines: int) -> Matrix | None:
    return read_beside(path, imported, lines) if path else None


def _line(path: Path | None, imported: Imported) -> Vector | None:
    matrix = _beside(path, imported, 1)
    return matrix[0] if matrix else None


def _json(imported: Imported, found: Found) -> str:
    entries = [
        {"family": v.family, "name": v.name, "value": x, "better": v.better, "formula": v.formula, "source": v.source}
        for v, x in found
    ]
    understood = [_understood(imported), *_holes(imported)]
    content = {"understood": understood, "tasks": imported.tasks, "matrix": imported.matrix, "metrics": entries}
    return json.dumps(content, indent=1)


def _understood(imported: Imported) -> str:
    """How the file was read."""
    unit = "percentages, divided by 100" if imported.percent else "fractions"
    tasks = shortened(imported.tasks, NAMED)
    return "; ".join(
        [f"Read as {len(imported.matrix)} stages × {len(imported.tasks)} tasks ({tasks}), {unit}", *imported.layout]
    )


def _holes(imported: Imported) -> list[str]:
    """The scores that are missing of tasks that were learnt already."""
    lacking = [
        f"{task} after stage {stage}"
        for stage, line in enumerate(imported.matrix, 1)
        for task, value in list(zip(imported.tasks, line, strict=True))[:stage]
        if value is None
    ]
    return [f"There is no score of {shortened(lacking, NAMED)}"] if lacking else []


def _page(imported: Imported, found: Found) -> str:
    from tabulate import tabulate

    rows = [(v.family, v.name, "–" if x is None else f"{x:+.4f}", v.better, v.formula, v.source) for v, x in found]
    headers = ("", "variant", "value", "", "formula", "source")
    notes = ["", *(f"{text}." for text in (_understood(imported), *_holes(imported)))]
    if any(value is None for _, value in found):
        notes.append("– needs what is not there: an entry of the matrix, or --finetune, --joint, --scratch, …")
    return "\n".join([tabulate(rows, headers=headers, disable_numparse=True), *notes])
