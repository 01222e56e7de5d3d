"""What a run's folder has of drift, as its report shows it: nothing of another plan, and what is missing is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from clbench.drift.chains import Place, chains_of
from clbench.errors import ClbenchError
from clbench.plan import Plan
from clbench.results.drift import drift_points
from clbench.results.drift_rows import DriftRow, MapRow
from clbench.results.model import Drift
from clbench.results.tidy import read_table

DRIFT, MAP = "drift.csv", "tsne.csv"
HOW = "`clbench drift RUN`, with this run's folder, measures it from the stored checkpoints and trains nothing."
R = TypeVar("R", DriftRow, MapRow)


def read_drift(folder: Path, plan: Plan) -> tuple[Drift, tuple[MapRow, ...]]:
    """What a report shows of drift.

    Args:
        folder: the run's.
        plan: the run's; rows of other jobs are left out.
    """
    assert plan.resolved is not None
    wanted = {place for place in _jobs(plan) if place[-1] > 1}
    if not wanted:
        return Drift(), ()
    try:
        everything = read_table(folder / DRIFT, DriftRow)
        maps = tuple(known_rows(folder / MAP, MapRow, plan))
    except FileNotFoundError:
        return Drift(words=f"Not measured. {HOW}"), ()
    except ClbenchError as error:
        return Drift(words=f"Left out: {error}. {HOW}"), ()
    rows = _of_plan(everything, plan)
    if not rows:
        return Drift(words=f"Left out: {DRIFT} is of another plan. {HOW}"), ()
    missing = len(wanted - {row.place for row in rows})
    holes = f"{missing} of {len(wanted)} later stages are not measured. {HOW}" if missing else ""
    return Drift(points=drift_points(rows, plan.resolved.benchmark.seeds), words=holes), maps


def known_rows(path: Path, kind: type[R], plan: Plan) -> list[R]:
    """Rows of a file that belong to a plan; none if there is no such file, or one of another version."""
    try:
        return _of_plan(read_table(path, kind), plan)
    except (FileNotFoundError, ClbenchError):
        return []


def _jobs(plan: Plan) -> dict[Place, str]:
    return {place: job for chain in chains_of(plan) for place, job in chain.places.items()}


def _of_plan(rows: Sequence[R], plan: Plan) -> list[R]:
    """The rows whose networks are those of a plan."""
    jobs = _jobs(plan)
    return [row for row in rows if jobs.get(row.place) == row.job]
