"""What a benchmark's datasets would have to agree on, found out before anything is trained."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from clbench.errors import CorruptArtifact
from clbench.identity import package_files, sources_digest
from clbench.job.prepare import FINGERPRINTS, backbone_of, fingerprint_training_cases
from clbench.nnunet.differences import ASPECTS, differing, grid_of, loss_of
from clbench.nnunet.planning import Backbone
from clbench.nnunet.unification import Dataset, own_plan, shared_plan
from clbench.plan import Job, PrepareSpec
from clbench.store import JobFolder, Json, Store, digest, read_sealed, write_sealed

CODE = ("nnunet/differences.py", "job/preflight.py")


def preflight(job: Job, store: Store, threads: int) -> Json:
    """Every dataset's own plan, the shared one, where they differ and what each dataset loses; kept in the store.

    Args:
        job: the benchmark's job of kind ``prepare``.
        store: where its result would be.
        threads: how many cases are worked on at once.
    """
    code = sources_digest(*package_files(*CODE))
    path = store.root / "preflight" / f"{digest([job.id, code])[:16]}.json"
    try:
        return read_sealed(path)
    except (FileNotFoundError, CorruptArtifact):
        found = _find(PrepareSpec.model_validate(job.spec), store.root, threads)
        write_sealed(path, found)
        return found


def _find(spec: PrepareSpec, root: Path, threads: int) -> Json:
    with tempfile.TemporaryDirectory(prefix="preflight-", dir=root) as scratch:
        datasets = fingerprint_training_cases(spec, JobFolder(Path(scratch)), root / FINGERPRINTS, threads)
        folders = (Path(scratch) / f"plan{number}" for number in range(len(datasets) + 1))
        return _compare(spec, datasets, folders)


def _compare(spec: PrepareSpec, datasets: Mapping[str, Dataset], folders: Iterator[Path]) -> Json:
    free = Backbone(spec.backbone["configuration"], None, None, None, spec.batch)
    plans = shared_plan(datasets, spec.plans, backbone_of(spec), next(folders))
    shared = grid_of(plans)
    own = {task: grid_of(own_plan(dataset, free, next(folders))) for task, dataset in datasets.items()}
    differ = differing(own.values())
    return {
        "configuration": free.configuration,
        "policy": spec.plans.model_dump(exclude={"document"}),
        "fixed": [key for key in ("spacing", "patch", "features") if spec.backbone[key] is not None],
        "plan": digest(plans),
        "differ": list(differ),
        "agree": [name for name in ASPECTS if name not in differ],
        "shared": asdict(shared),
        "datasets": {
            task: {
                "cases": len(dataset.cases),
                "own": asdict(own[task]),
                "loss": asdict(loss_of(dataset.cases, own[task], shared)),
            }
            for task, dataset in datasets.items()
        },
    }
