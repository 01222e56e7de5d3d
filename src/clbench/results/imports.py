"""Anyone's finished sequence as a stage-by-task matrix: a CSV file, or folders of nnU-Net's ``summary.json``."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clbench.errors import ClbenchError, MissingEnvironment
from clbench.results.matrix import Matrix, Vector, mean

LARGEST = 1e6
"""What no score exceeds, so that sums of them are numbers."""
HOLES = {"", "-", "–", "nan", "na", "n/a", "none", "null"}


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

    @property
    def last(self) -> Vector:
        """The scores after the last stage."""
        return self.matrix[-1]


def read_matrix(path: Path, order: Sequence[str] = (), percent: bool = False) -> Imported:
    """Read a CSV matrix or a folder of nnU-Net evaluations.

    Args:
        path: a CSV file, one line a stage and one column a task, or a folder ``STAGE/TASK/summary.json``.
        order: the tasks in the order of learning, for a folder; left out, by the stage in which each first appears.
        percent: whether a CSV file's numbers are known to be percentages; otherwise a % sign or a number above 1
            tells, for all of the file.

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
        raise ClbenchError(
            f"{path}: {stages} stages but {tasks} tasks; a sequence that learns one task a stage has as many of "
            f"both, line i and column j holding task j after stage i"
        )
    return imported


def _from_csv(path: Path, percent: bool) -> Imported:
    header, body = _split(path)
    named = all(_is_name(cells[0]) for _, cells in body)
    matrix = tuple(_numbers(path, line, cells, first=int(named)) for line, cells in body)
    tasks = header[int(named) :] or tuple(f"task {j}" for j in range(1, len(matrix[0]) + 1))
    for (line, _), row in zip(body, matrix, strict=True):
        if len(row) != len(tasks):
            raise ClbenchError(f"{path}:{line}: {len(row)} numbers where there are {len(tasks)} tasks")
    signed = any("%" in cell for _, cells in body for cell in cells[int(named) :])
    return _as_fractions(Imported(tasks, matrix, named=bool(header)), percent or signed)


def _split(path: Path) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    """The header's names, if there is a header, and the numbered lines below it."""
    lines = [(n, cells) for n, cells in enumerate(_lines(path), start=1) if any(cell.strip() for cell in cells)]
    header = bool(lines) and not any(_is_number(cell) for cell in lines[0][1])
    body = lines[1:] if header else lines
    if not body:
        raise ClbenchError(f"{path}: no line of numbers in it; line i, column j is the score of task j after stage i")
    return tuple(cell.strip() for cell in lines[0][1]) if header else (), body


def _lines(path: Path) -> list[list[str]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClbenchError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    delimiter = max(",;\t", key=text.count)
    return list(csv.reader(text.splitlines(), delimiter=delimiter))


def _bare(cell: str) -> str:
    return cell.strip().rstrip("%").strip()


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(_bare(cell)))
    except ValueError:
        return False


def _is_name(cell: str) -> bool:
    return not _is_number(cell) and cell.strip().lower() not in HOLES


def _numbers(path: Path, line: int, cells: Sequence[str], first: int) -> Vector:
    return tuple(_number(f"{path}:{line}: column {k + 1}", cell) for k, cell in enumerate(cells) if k >= first)


def _number(place: str, cell: str) -> float | None:
    if _bare(cell).lower() in HOLES:
        return None
    if not _is_number(cell):
        raise ClbenchError(f"{place}: {cell!r} is no number; leave a hole empty")
    value = float(_bare(cell))
    if abs(value) > LARGEST:
        raise ClbenchError(f"{place}: {cell!r} is no score, which is a fraction or a percentage")
    return value


def _as_fractions(imported: Imported, percent: bool) -> Imported:
    """Numbers above 1 are percentages, all of the file's then."""
    present = [value for line in imported.matrix for value in line if value is not None]
    if not percent and max(map(abs, present), default=0.0) <= 1:
        return imported
    matrix = tuple(tuple(None if value is None else value / 100 for value in line) for line in imported.matrix)
    return replace(imported, matrix=matrix, percent=True)


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
    present = [value for value in values if not math.isnan(value)]
    if any(not 0 <= value <= 1 for value in present):
        raise ValueError(f"a Dice of {max(present, key=abs)}, which is from 0 to 1")
    return mean(present)
