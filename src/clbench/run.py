"""A run from a definition to a report; what is done already is not done again."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from clbench.arithmetic import CUDA
from clbench.collect import Collected, benchmark_info, collect
from clbench.data.available import prepared_datasets, require
from clbench.definitions.catalogue import Catalogue
from clbench.definitions.models import Resolved
from clbench.definitions.places import DataPlaces
from clbench.definitions.resolve import resolve
from clbench.disk import make_folder, writing_to
from clbench.drift.read import read_drift
from clbench.errors import ClbenchError, CorruptArtifact
from clbench.execute.backends import Backend
from clbench.execute.gpus import usable_gpus
from clbench.execute.lock import hold
from clbench.execute.run import Outcome, carry_out
from clbench.job import is_done, says_it_is_done
from clbench.known_answer import planned_arithmetic
from clbench.pictures.gallery import Gallery
from clbench.pictures.page import page_pictures
from clbench.plan import Plan
from clbench.plan.expand import make_plan
from clbench.plan.jobs import Arithmetics
from clbench.plan.sealed import other_version, plan_bytes, read_plan_file
from clbench.plan.trust import require_trusted
from clbench.provenance import provenance
from clbench.references import ARRAYS, seal
from clbench.report.page.write import write_page
from clbench.report.write import SUMMARY, read_summary, write_report
from clbench.results.arrays import to_bytes
from clbench.results.model import Summary
from clbench.results.parquet import write_parquet
from clbench.results.rows import Row, write_rows
from clbench.results.summary import summarise
from clbench.store import Store, sweep, write_atomic

PLAN = "plan.json"
ROWS = "rows.csv"
MONITORED = "monitor.csv"
PARQUET = "rows.parquet"


@dataclass(frozen=True)
class Places:
    """Where definitions are found and where things are written.

    Attributes:
        suites: users' suites, in front of the shipped one.
        store: the folder that all benchmarks' jobs share.
        out: a run's folder; None for ``reports/<benchmark>``.
        data: where datasets lie; None for where the environment says.
        cuda: whether stages are trained on a GPU; by default, whether this machine has one that torch can use.
    """

    suites: tuple[Path, ...] = ()
    store: Path = Path(os.environ.get("CLBENCH_STORE", ".clbench"))
    out: Path | None = None
    data: Path | None = None
    cuda: bool = field(default_factory=lambda: bool(usable_gpus()))

    @property
    def datasets(self) -> DataPlaces:
        """Where the datasets of tasks are looked for."""
        return DataPlaces.default(self.data)

    def plan(
        self, benchmark: str, seeds: tuple[int, ...] = (), ready: bool = False, trust: bool | None = None
    ) -> Plan:
        """Resolve and plan a benchmark.

        Args:
            benchmark: its name, or the path of its file.
            seeds: instead of the definition's own; none for those.
            ready: whether it is to be run: then every dataset must be here, and is prepared first if it is not yet.
            trust: whether methods from suites may be run; None if none will be.

        Raises:
            DefinitionError: something is wrong with the definition or what it names.
            Untrusted: it has methods from suites that may not be run.
            MissingEnvironment: a dataset is not here, and is needed to run the benchmark or to complete a card.
        """
        resolved = resolve(benchmark, Catalogue.open(self.suites, self.datasets))
        if trust is not None:
            require_trusted((variant.method_file for variant in resolved.baselines), trust)
        if seeds:
            changed = resolved.benchmark.model_copy(update={"seeds": seeds})
            resolved = resolved.model_copy(update={"benchmark": changed})
        return self.planned(resolved, ready)

    def planned(self, resolved: Resolved, ready: bool = False) -> Plan:
        """Plan a resolved definition; ``ready`` as in ``plan``.

        Raises:
            MissingEnvironment: a dataset is not here, and is needed to run the benchmark.
        """
        if ready:
            require(resolved.tasks.values(), self.datasets)
        datasets = prepared_datasets(resolved.tasks.values(), self.datasets)
        return make_plan(resolved, self.store, datasets, self.arithmetics)

    @property
    def arithmetics(self) -> Arithmetics:
        """The arithmetic of the jobs, by what is known of this machine."""
        name, _ = planned_arithmetic()
        return Arithmetics(name, CUDA if self.cuda else name)

    def run_folder(self, plan: Plan) -> Path:
        """The run's folder."""
        assert plan.resolved is not None
        return self.out or Path("reports") / plan.resolved.benchmark.name


def run(
    plan: Plan, folder: Path, backend: Backend, console: Console, command: str, trust: bool = False
) -> tuple[Outcome, Summary]:
    """Carry a plan out and write its report, of what is finished if not all is.

    The jobs of the plan are not asked about trust again; each refuses a method whose source has changed since.

    Args:
        plan: what to do.
        folder: the run's folder.
        backend: where the jobs run.
        console: where progress is shown.
        command: what repeats the run, for the report.
        trust: whether methods from suites may be run.

    Raises:
        Untrusted: there are some, and they may not.
        MissingEnvironment: data, disk space or write permission is missing.
    """
    assert plan.resolved is not None
    require_trusted((job.method_file for job in plan.jobs), trust)
    store = Store(Path(plan.store))
    _require_starts(plan, store)
    with hold(folder, console=console):
        make_folder(store.root / "jobs")
        with writing_to(folder):
            sweep(folder, ".*.tmp")
            sweep(folder, "*/.*.tmp")
            write_atomic(folder / PLAN, plan_bytes(plan))
        done = finished(plan, store, console)
        outcome = carry_out(folder / PLAN, plan, done, store, folder, backend, console)
        return outcome, report(plan, folder, command)


def _require_starts(plan: Plan, store: Store) -> None:
    """Look into the checkpoints that the plan starts from; torch is imported if there are any."""
    if any(job.start for job in plan.jobs):
        from clbench.job.start import require_starts

        require_starts(plan, store)


def finished(plan: Plan, store: Store, console: Console) -> set[str]:
    """The jobs whose results are there and whole; damaged ones are named and put up for doing again."""
    done = set()
    for job in plan.jobs:
        folder = store.job(job.id)
        try:
            if is_done(job, folder):
                done.add(job.id)
        except CorruptArtifact as error:
            console.print(f"{error}: {job.title} has to be done again", soft_wrap=True, markup=False, highlight=False)
    return done


def said_done(plan: Plan, store: Store) -> set[str]:
    """The jobs that have a result, for those who only look: whether it is whole is for ``finished`` to find out."""
    return {job.id for job in plan.jobs if says_it_is_done(job, store.job(job.id))}


def report(plan: Plan, folder: Path, command: str | None = None) -> Summary:
    """Write rows, tables and report of what is in the store.

    Args:
        plan: what was to be done.
        folder: the run's folder.
        command: what repeats the run; if left out, the report keeps the provenance of the folder's last one.

    Raises:
        MissingEnvironment: disk space or write permission is missing.
    """
    assert plan.resolved is not None
    store = Store(Path(plan.store))
    collected = collect(plan, store)
    summary = summarise(
        benchmark_info(plan.resolved), collected.rows, collected.records, collected.missing, collected.monitored
    )
    drift, maps = read_drift(folder, plan)
    summary = summary.model_copy(update={"drift": drift})
    arithmetic = collected.arithmetic
    origin = provenance(plan, store, command, arithmetic) if command else _last_provenance(plan, folder, store)
    with writing_to(folder):
        write_rows(folder / ROWS, collected.rows)
        _write_monitored(folder / MONITORED, collected.monitored)
        write_parquet(folder / PARQUET, collected.rows)
        write_atomic(folder / ARRAYS, to_bytes(collected.arrays))
        whole = write_report(folder, summary, origin)
        seal(folder)
        write_page(folder, whole, collected.rows, page_pictures(_gallery(plan, store, collected)), maps)
    return summary


def _write_monitored(path: Path, rows: tuple[Row, ...]) -> None:
    """Write what was measured within stages; a run that measures nothing there has no such file."""
    if rows:
        write_rows(path, rows)
    else:
        path.unlink(missing_ok=True)


def gallery_of(plan: Plan, seed: int | None = None) -> Gallery:
    """What pictures of a run are drawn from.

    Args:
        plan: the run's.
        seed: of the trainings that are shown; the first if None.

    Raises:
        ClbenchError: the run has no such seed.
    """
    assert plan.resolved is not None
    seeds, store = plan.resolved.benchmark.seeds, Store(Path(plan.store))
    if seed is not None and seed not in seeds:
        raise ClbenchError(f"the run has no seed {seed}; it has {', '.join(map(str, seeds))}")
    return _gallery(plan, store, collect(plan, store), seed)


def _gallery(plan: Plan, store: Store, collected: Collected, seed: int | None = None) -> Gallery:
    assert plan.resolved is not None
    return Gallery(plan, store, collected.rows, plan.resolved.benchmark.seeds[0] if seed is None else seed)


def _last_provenance(plan: Plan, folder: Path, store: Store) -> dict[str, Any]:
    """Where the folder's last report says its numbers come from; this machine if it says nothing."""
    assert plan.resolved is not None
    try:
        return dict(read_summary(folder / SUMMARY).provenance)
    except (OSError, ValueError):
        return provenance(plan, store, f"clbench run {plan.resolved.benchmark.name}")


def read_plan(folder: Path) -> Plan:
    """The plan of a run.

    Raises:
        MissingEnvironment: the folder has no plan, or none of this version.
    """
    plan = read_plan_file(folder / PLAN)
    if plan.resolved is None:
        raise other_version(folder / PLAN)
    return plan
