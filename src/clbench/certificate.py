"""The certificate of a reference: kept from a run, and computed again where equal bits can't be asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from clbench.errors import CorruptArtifact
from clbench.execute.backends import Backend
from clbench.execute.lock import hold
from clbench.execute.run import Outcome, carry_out
from clbench.plan import Job, Plan, StageSpec
from clbench.plan.records import Asked
from clbench.plan.sealed import plan_bytes
from clbench.references import CERTIFICATE
from clbench.results.arrays import SKETCHED
from clbench.results.certificate import Certificate, KeptModel, KeptStage, Repeated
from clbench.run import finished
from clbench.store import JobFolder, Json, Store, digest, file_digest, write_atomic, write_sealed

PLAN = "certificate-plan.json"
PREFIX, PREDICTION = "certificate · ", " · prediction"


def keep_certificate(plan: Plan, folder: Path) -> Certificate:
    """Keep of a finished run's first seed how every stage began, and the networks that they began with.

    Args:
        plan: the run's; its artifacts are in the store.
        folder: the reference's folder, which has no certificate.

    Raises:
        CorruptArtifact: an artifact is missing or damaged.
    """
    from clbench.job.certificate import keep_network

    assert plan.resolved is not None
    store, seed = Store(Path(plan.store)), plan.resolved.benchmark.seeds[0]
    stages = [job for job in plan.jobs if job.kind == "stage" and job.spec["seed"] == seed]
    parents = {job.parents[1] for job in stages if len(job.parents) > 1}
    last = _last_of_sequences(plan, seed)
    networks = (folder / CERTIFICATE).parent
    names = {id: f"{number:02d}" for number, id in enumerate(sorted({*parents, *last}), start=1)}
    for id, name in names.items():
        keep_network(store.job(id), JobFolder(networks / name))
    certificate = Certificate(
        stages=tuple(_kept_stage(plan, store, job, names) for job in stages),
        models=tuple(_kept_model(plan, store, plan.job(id), names[id]) for id in last),
    )
    write_sealed(folder / CERTIFICATE, certificate.model_dump(mode="json"))
    return certificate


def _last_of_sequences(plan: Plan, seed: int) -> list[str]:
    """The last stage of every baseline's sequence in its first order."""
    ends: dict[str, str] = {}
    for use in plan.uses:
        if (use.protocol, use.seed, use.order) == ("continual", seed, 1):
            ends[use.baseline] = use.job
    return list(dict.fromkeys(ends.values()))


def _kept_stage(plan: Plan, store: Store, job: Job, names: dict[str, str]) -> KeptStage:
    result, parent = _result(store, job), job.parents[1] if len(job.parents) > 1 else ""
    return KeptStage(
        job=job.title, baseline=_user(plan, job), parent=names.get(parent, ""), trace=result["trace"],
    )  # fmt: skip


def _kept_model(plan: Plan, store: Store, job: Job, name: str) -> KeptModel:
    last = StageSpec.model_validate(job.spec).epochs
    rows = [row for row in _result(store, job)["measurements"] if row["epoch"] == last]
    return KeptModel(job=job.title, baseline=_user(plan, job), folder=name, dice=_dice(rows))


def _dice(rows: Sequence[Json]) -> tuple[Json, ...]:
    keys = ("task", "case", "label", "value")
    return tuple({key: row[key] for key in keys} for row in rows if row["metric"] == "dice")


def _user(plan: Plan, job: Job) -> str:
    return next((use.baseline for use in plan.uses if use.job == job.id), "")


def _result(store: Store, job: Job) -> Json:
    folder = store.job(job.id)
    result = folder.read("result")
    if result is None:
        raise CorruptArtifact(folder.path / "result.json", "is missing")
    return result


def repeat(
    plan: Plan, certificate: Certificate, reference: Path, run_folder: Path, backend: Backend, console: Console
) -> tuple[Outcome, Repeated]:
    """Compute here what a certificate holds; what was computed already is not computed again.

    Args:
        plan: of the run that is compared; its preparation is done.
        certificate: the reference's.
        reference: the reference's folder.
        run_folder: where the engine's log goes.
        backend: where the jobs run.
        console: where progress is shown.
    """
    jobs, store = certificate_plan(plan, certificate, (reference / CERTIFICATE).parent), Store(Path(plan.store))
    with hold(run_folder, console=console):
        write_atomic(run_folder / PLAN, plan_bytes(jobs))
        done = finished(jobs, store, console)
        outcome = carry_out(run_folder / PLAN, jobs, done, store, run_folder, backend, console)
    return outcome, _repeated(jobs, store)


def _repeated(plan: Plan, store: Store) -> Repeated:
    found = [(job, store.job(job.id).read("result")) for job in plan.jobs if job.kind == "certify"]
    results = [(_title(job), result) for job, result in found if result is not None]
    return Repeated(
        arithmetic=", ".join(sorted({result["arithmetic"] for _, result in results})),
        traces={title: result["trace"] for title, result in results if "trace" in result},
        dice={title: _dice(result["measurements"]) for title, result in results if "measurements" in result},
    )


def _title(job: Job) -> str:
    """The title of the stage that a job of the certificate stands for."""
    return job.title.removeprefix(PREFIX).removesuffix(PREDICTION)


def certificate_plan(plan: Plan, certificate: Certificate, folder: Path) -> Plan:
    """The jobs that compute here what a certificate holds.

    Args:
        plan: of the run that is compared; its preparation is done.
        certificate: the reference's.
        folder: where the certificate's networks lie.

    Returns:
        A plan with the same preparation; stages that the run does not have are left out.
    """
    by_title = {job.title: job for job in plan.jobs}
    jobs = _jobs(by_title, plan.preparation, certificate, folder.resolve())
    return plan.model_copy(update={"jobs": (plan.preparation, *jobs), "uses": ()})


def _jobs(by_title: dict[str, Job], prepare: Job, certificate: Certificate, folder: Path) -> Iterator[Job]:
    for stage in certificate.stages:
        if job := by_title.get(stage.job):
            yield _restarted(job, prepare, str(folder / stage.parent) if stage.parent else "")
    for model in certificate.models:
        if job := by_title.get(model.job):
            yield _predicting(job, prepare, str(folder / model.folder))


def _restarted(job: Job, prepare: Job, network: str) -> Job:
    steps = max(1, int(job.spec["epochs"]) * int(job.spec["iterations"]))
    return job.model_copy(update={
        "id": _id("restart", job, network), "kind": "certify", "parents": (prepare.id,), "title": PREFIX + job.title,
        "seconds": 1 + job.seconds * min(1.0, SKETCHED[-1] / steps), "arithmetic": prepare.arithmetic,
        "restart": network, "evaluate": (), "asked": Asked(), "evaluation": "",
    })  # fmt: skip


def _predicting(job: Job, prepare: Job, network: str) -> Job:
    return job.model_copy(update={
        "id": _id("predict", job, network), "kind": "certify", "parents": (prepare.id,),
        "title": f"{PREFIX}{job.title}{PREDICTION}", "seconds": 1 + 0.5 * len(job.evaluate), "predict": network,
        "asked": Asked(),
    })  # fmt: skip


def _id(what: str, job: Job, network: str) -> str:
    """By the stage's own id, its evaluation, and the checksums of the network."""
    seal = file_digest(Path(network) / "trained.json") if network else ""
    return f"{what}-{digest([job.id, job.evaluation, seal])[:12]}"
