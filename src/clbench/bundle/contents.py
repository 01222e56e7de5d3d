"""What goes into the bundle of a run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from clbench import __version__
from clbench.bundle import archive
from clbench.bundle.definition import lay_out, own_methods, resolved_in, same, suite_files
from clbench.bundle.header import FORMAT, Header, data_of
from clbench.bundle.lock import lock
from clbench.definitions.models import Resolved
from clbench.definitions.places import DataPlaces
from clbench.errors import ClbenchError, DefinitionError, MissingEnvironment
from clbench.plan import Plan, PrepareSpec
from clbench.plan.code import code_of
from clbench.references import read_measured
from clbench.report.write import SUMMARY
from clbench.run import ROWS, read_plan


def bundle_of(folder: Path) -> bytes:
    """The bundle of a finished run.

    Args:
        folder: the run's.

    Raises:
        MissingEnvironment: the run is not finished, or a file of its definition is no longer there.
        ClbenchError: its definition, or a method of the user's own, changed since it was run.
    """
    plan, measured = read_plan(folder), read_measured(folder)
    assert plan.resolved is not None
    if measured.summary.missing:
        raise MissingEnvironment(f"{folder}: {len(measured.summary.missing)} results are missing; finish it first")
    libraries = measured.summary.provenance.get("libraries", {})
    texts = {archive.HEADER: _header(plan), archive.PLAN: _plan(plan), archive.LOCK: lock(libraries)}
    tables = {archive.ROWS: folder / ROWS, archive.SUMMARY: folder / SUMMARY}
    return archive.pack(
        {name: text.encode() for name, text in texts.items()}
        | {name: file.read_bytes() for name, file in tables.items()}
        | _definition(folder, plan)
    )


def _definition(folder: Path, plan: Plan) -> dict[str, bytes]:
    assert plan.resolved is not None
    _require_same_methods(plan, plan.resolved)
    try:
        files = suite_files(plan.resolved)
    except OSError as error:
        raise MissingEnvironment(
            f"{error.filename}: {error.strerror}; the run in {folder} was made from it: put it back, or run it again"
        ) from None
    _require_same_definition(folder, plan.resolved, files)
    return files


def _require_same_definition(folder: Path, resolved: Resolved, files: Mapping[str, bytes]) -> None:
    """Read the files as whoever repeats the run will, and hold what they say against what was run."""
    with tempfile.TemporaryDirectory() as place:
        lay_out(Path(place), files, resolved.files.checkpoints)
        try:
            unchanged = same(resolved_in(Path(place), resolved.benchmark.name, DataPlaces.default()), resolved)
        except DefinitionError:
            unchanged = False
    if not unchanged:
        raise ClbenchError(
            f"{folder}: one of its tasks, baselines or methods changed after it was run; run it again, then bundle it"
        )


def _require_same_methods(plan: Plan, resolved: Resolved) -> None:
    """A user's method whose code is not what the run's jobs were planned with would not give the rows again."""
    own = {str(file) for file in own_methods(resolved)}
    for job in plan.jobs:
        file = Path(job.method_file)
        if job.method_file in own and file.is_file() and code_of(job.kind, job.method_file) != job.code:
            raise ClbenchError(f"{file} or clbench changed after it was run; run it again, then bundle it")


def _header(plan: Plan) -> str:
    assert plan.resolved is not None
    anatomy, datasets = data_of(plan)
    header = Header(
        format=FORMAT, clbench=__version__, benchmark=plan.resolved.benchmark.name,
        version=plan.resolved.benchmark.version, anatomy=anatomy, datasets=datasets,
        checkpoints=_checkpoints(plan),
    )  # fmt: skip
    return header.model_dump_json(indent=1) + "\n"


def _checkpoints(plan: Plan) -> dict[str, str]:
    """SHA-256 of the networks that jobs start from, by the names that tables call them."""
    assert plan.resolved is not None
    digests = {job.start: str(job.spec["start"]) for job in plan.jobs if job.start}
    return {name: digests[str(file)] for name, file in plan.resolved.files.checkpoints.items()}


def _plan(plan: Plan) -> str:
    """The jobs without the places that their files have on this machine."""
    spec = PrepareSpec.model_validate(plan.preparation.spec)
    datasets = {
        task: dataset.model_copy(update={"folder": "", "cases": {}}) for task, dataset in spec.datasets.items()
    }
    prepared = spec.model_copy(update={"datasets": datasets}).model_dump(mode="json")
    jobs = tuple(
        job.model_copy(update={
            "method_file": Path(job.method_file).name, "start": Path(job.start).name,
            "spec": prepared if job.kind == "prepare" else job.spec,
        })
        for job in plan.jobs
    )  # fmt: skip
    return Plan(jobs=jobs, uses=plan.uses).model_dump_json(indent=1) + "\n"
