"""Anyone's finished sequence as a stage-by-task matrix: a CSV file, or folders of nnU-Net's ``summary.json``."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clbench.errors import ClbenchError, MissingEnvironment
from clbench.results.matrix import Matrix, Vector, mean
from clbench.results.score_table import (
    AVERAGES,
    ROUNDED,
    Table,
    fractions,
    lines_are_tasks,
    numbers,
    read_table,
)


@dataclass(frozen=True)
class Imported:
    """A matrix with its tasks' names."""

    tasks: tuple[str, ...]
    """The columns."""
    matrix: Matrix
    """R as fractions, stages by tasks."""
    cases: tuple[int, ...] | None = None
    """How many cases each task was measured on, where that is known."""
    percent: bool = False
    """Whether the source's numbers were percentages."""
    named: bool = True
    """Whether the source names its tasks; without a header they are numbered."""

    untrained: Vector | None = None
    """The scores before any training, where the file has them as stage 0."""
    layout: tuple[str, ...] = ()
    """How the file was understood, in words."""

    @property
    def last(self) -> Vector:
        """The scores after the last stage."""
        return self.matrix[-1]


def read_matrix(path: Path, order: Sequence[str] = (), percent: bool = False) -> Imported:
    """Read a CSV matrix or a folder of nnU-Net evaluations.

    Args:
        path: a CSV file, one line a stage and one column a task, or a folder ``STAGE/TASK/summary.json``.
        order: the tasks in the order of learning, for a folder; left out, by the stage in which each first appears.
        percent: whether a CSV file's numbers are known to be percentages; otherwise per cent signs or numbers above
            1 tell, for all of the file.

    Raises:
        MissingEnvironment: there is no such file or folder.
        ClbenchError: something in it is not as it must be; file, line and column are named. An order is given for a
            CSV file, whose columns have one.
    """
    if path.is_dir():
        return _from_folders(path, order)
    if not path.is_file():
        raise MissingEnvironment(f"{path}: no such file or folder")
    if order:
        raise ClbenchError(f"{path}: an order is for folders; the columns of a CSV file have their own")
    return _from_csv(path, percent)


def read_beside(path: Path, matrix: Imported, stages: int) -> Matrix:
    """The matrix of a file or folder that another matrix is held against, its tasks in the same columns.

    Args:
        path: a CSV file or folder, percentages if the other's numbers are.
        matrix: the other.
        stages: how many lines it must have.

    Raises:
        ClbenchError: it has another number of lines or tasks, or it names other tasks or in another order.
    """
    folder = path.is_dir()
    other = read_matrix(path, matrix.tasks if folder else (), matrix.percent)
    wanted = len(matrix.tasks)
    if (len(other.matrix), len(other.tasks)) != (stages, wanted):
        there = f"{len(other.matrix)} lines of {len(other.tasks)} tasks"
        raise ClbenchError(f"{path}: {there}; {stages} of {wanted} are wanted here")
    if matrix.named and other.named and other.tasks != matrix.tasks:
        here, there = ", ".join(matrix.tasks), ", ".join(other.tasks)
        raise ClbenchError(f"{path}: its columns are {there}; they must be {here}, as in the matrix")
    return other.matrix


def square(imported: Imported, path: Path) -> Imported:
    """The same, once it is sure that there are as many stages as tasks.

    Raises:
        ClbenchError: there are not.
    """
    stages, tasks = len(imported.matrix), len(imported.tasks)
    if stages != tasks:
        before = "; scores of the untrained network go into a file of their own, --untrained"
        before = before if stages == tasks + 1 else ""
        raise ClbenchError(
            f"{path}: {stages} stages but {tasks} tasks{before}; a sequence that learns one task a stage has as many "
            "of both, line i and column j holding task j after stage i"
        )
    return imported


def _from_csv(path: Path, percent: bool) -> Imported:
    table = read_table(path)
    matrix, percent = fractions(table, numbers(table), percent)
    transposed = lines_are_tasks(table, matrix)
    names, stages = (table.lines, table.columns) if transposed else (table.columns, table.lines)
    matrix = tuple(zip(*matrix, strict=True)) if transposed else matrix
    counted = names and all(name == str(place) for place, name in enumerate(names))  # as pandas does it by itself
    named = bool(names) and not counted
    tasks = names if named else tuple(f"task {j}" for j in range(1, len(matrix[0]) + 1))
    _require_tasks(path, tasks)
    untrained = None
    if list(stages) == [str(k) for k in range(len(tasks) + 1)]:
        untrained, *rest = matrix
        matrix = tuple(rest)
    layout = tuple(_layout(table, transposed, untrained is not None))
    return Imported(tasks, matrix, percent=percent, named=named, untrained=untrained, layout=layout)


def _require_tasks(path: Path, tasks: Sequence[str]) -> None:
    """Refuse columns that are no tasks of their own.

    Raises:
        ClbenchError: there are such.
    """
    for place, task in enumerate(tasks):
        if task.lower() in AVERAGES and len(tasks) > 1:
            raise ClbenchError(f"{path}: {task!r} is no task but an average of tasks; leave it out")
        if task in tasks[:place]:
            raise ClbenchError(f"{path}: two columns are called {task!r}; each task has one")


def _layout(table: Table, transposed: bool, untrained: bool) -> Iterator[str]:
    if transposed:
        yield "lines are tasks and columns are stages"
    if table.columns:
        yield f"the first line has the names of {'stages' if transposed else 'tasks'}"
    if table.lines:
        yield f"the first column has the names of {'tasks' if transposed else 'stages'}"
    if untrained:
        yield "stage 0 is the untrained network"
    if table.comma:
        yield "commas are decimal points"


def _from_folders(path: Path, order: Sequence[str]) -> Imported:
    stages = sorted((folder for folder in path.iterdir() if folder.is_dir()), key=_natural)
    found = [{file.parent.name: file for file in stage.glob("*/summary.json")} for stage in stages]
    found = [files for files in found if files]
    if not found:
        raise ClbenchError(f"{path}: no STAGE/TASK/summary.json in it, as nnUNetv2_evaluate_folder writes them")
    tasks = tuple(order) or tuple(dict.fromkeys(task for files in found for task in sorted(files, key=_natural)))
    unknown = {task for files in found for task in files} ^ set(tasks)
    if unknown:
        raise ClbenchError(f"{path}: the order and the folders differ in {', '.join(sorted(unknown))}")
    read = [{task: _cases(file) for task, file in files.items()} for files in found]
    matrix = tuple(tuple(mean(stage.get(task, ())) for task in tasks) for stage in read)
    cases = tuple(max(len(stage.get(task, ())) for stage in read) for task in tasks)
    return Imported(tasks, matrix, cases)


def _natural(name: str | Path) -> list[tuple[int, str]]:
    """A key by which ``stage_10`` comes after ``stage_9``."""
    text = name.name if isinstance(name, Path) else name
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def _cases(file: Path) -> list[float | None]:
    """Each case's mean Dice over its labels; None where none of them has a Dice."""
    try:
        cases = json.loads(file.read_text(encoding="utf-8"))["metric_per_case"]
        return [_of_case(case["metrics"]) for case in cases]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ClbenchError(f"{file}: no summary of nnU-Net's evaluation ({type(error).__name__}: {error})") from None


def _of_case(metrics: dict[str, Any]) -> float | None:
    values = [float(label["Dice"]) for label in metrics.values() if label["Dice"] is not None]
    present = [min(value, 1.0) if value <= 1 + ROUNDED else value for value in values if not math.isnan(value)]
    if any(not 0 <= value <= 1 for value in present):
        raise ValueError(f"a Dice of {max(present, key=abs)}, which is from 0 to 1")
    return mean(present)
