"""What shows where two runs part: digests of every array that a job made, and the trace of a stage's beginning."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import TypeAdapter

from clbench.results.stat import Model

SKETCHED = (1, 6, 12)
"""Iterations after which a stage's weights are sketched."""
SHORT = 16
"""Hexadecimal digits that are kept of an array's SHA-256."""


class Trace(Model):
    """The first iterations of a stage."""

    losses: tuple[float, ...]
    """Of each iteration."""
    moved: dict[str, tuple[float, ...]]
    """Iteration → sketch of the weights less those at the stage's start (``training/trace.py``)."""


class JobArrays(Model):
    """One job's arrays, named so that another run's can be found."""

    job: str
    """Its title, which is unique within a run."""
    baseline: str
    """The first baseline that uses it; empty for the preparation."""
    arrays: dict[str, str]
    """Name of the array → digest of its bytes, in the order in which they were made."""
    trace: Trace | None = None
    """Of a stage."""


class ArrayDifference(Model):
    """The first array of a run that is not the reference's."""

    job: str
    """Title of the job that made it."""
    baseline: str
    """Whose job it is; empty for the preparation."""
    array: str
    """Its name."""

    @property
    def words(self) -> str:
        """Where run and reference part."""
        return f"the first array that differs is {self.array} of {self.job}"


_LIST = TypeAdapter(tuple[JobArrays, ...])


def to_bytes(jobs: Sequence[JobArrays]) -> bytes:
    """The content of ``arrays.json``."""
    return _LIST.dump_json(tuple(jobs), indent=1) + b"\n"


def from_bytes(content: bytes) -> tuple[JobArrays, ...]:
    """What ``to_bytes`` made.

    Raises:
        pydantic.ValidationError: it is nothing of the kind.
    """
    return _LIST.validate_json(content)


def first_difference(run: Sequence[JobArrays], reference: Sequence[JobArrays]) -> ArrayDifference | None:
    """Where a run parts from a reference, in the order in which jobs and their arrays are made.

    Jobs and arrays that only one side has are passed over; None if nothing that both have differs.
    """
    mine = {one.job: one for one in run}
    for theirs in reference:
        here = mine.get(theirs.job)
        if here is not None and (name := _first_of(here, theirs)):
            return ArrayDifference(job=theirs.job, baseline=theirs.baseline, array=name)
    return None


def _first_of(here: JobArrays, there: JobArrays) -> str:
    """The first array that differs; of a stage, what its first iterations left comes first."""
    if here.trace and there.trace and (name := _first_of_traces(here.trace, there.trace)):
        return name
    return next((name for name, value in there.arrays.items() if here.arrays.get(name, value) != value), "")


def _first_of_traces(here: Trace, there: Trace) -> str:
    """The loss of an iteration is computed before its weights are updated, so it tells the forward pass apart."""
    for iteration, (mine, loss) in enumerate(zip(here.losses, there.losses, strict=False), start=1):
        if mine != loss:
            return f"loss of iteration {iteration}"
        moved = there.moved.get(str(iteration))
        if moved is not None and here.moved.get(str(iteration), moved) != moved:
            return f"weights after iteration {iteration}"
    return ""
