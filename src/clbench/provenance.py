"""Where numbers come from: revision, versions, machine, and the data they were made on."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clbench import ARITHMETIC, __version__
from clbench.container import DIGEST, IMAGE
from clbench.cores import available_cores
from clbench.identity import PACKAGE, library_versions
from clbench.plan import Plan, PrepareSpec
from clbench.processor import Processor, processor
from clbench.store import Store

NO_DIGEST = "none: built here, in no registry"


def provenance(
    plan: Plan, store: Store, command: str, arithmetic: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Everything a reader needs to trust or repeat a run.

    Args:
        plan: the plan that was carried out.
        store: where its results are.
        command: what repeats it.
        arithmetic: the arithmetic of the finished jobs → their number.
    """
    starts = {job.start: f"sha256 {job.spec['start']}" for job in plan.jobs if job.start}
    return {
        "command": command,
        **environment(),
        **({"arithmetic": _mixed(arithmetic)} if arithmetic else {}),
        "plan": _shared_plan(plan, store),
        "data": {plan.preparation.id: _plans_digest(store, plan.preparation.id)},
        **({"checkpoints": starts} if starts else {}),
        **container(),
    }


def environment() -> dict[str, Any]:
    """The program's version and revision, Python's and the libraries' versions, and the machine."""
    return {
        "clbench": __version__,
        "revision": revision(),
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "libraries": library_versions(),
        "libc": " ".join(filter(None, platform.libc_ver())),
        "arithmetic": ARITHMETIC.name,
        "machine": machine(),
    }


def _mixed(arithmetic: Mapping[str, int]) -> str:
    """One name, or all of them with the number of jobs."""
    if len(arithmetic) == 1:
        return next(iter(arithmetic))
    return ", ".join(f"{name} ({number} jobs)" for name, number in sorted(arithmetic.items()))


def container() -> dict[str, dict[str, str]]:
    """The image that this runs in, as ``clbench container run`` names it; empty elsewhere."""
    image = os.environ.get(IMAGE)
    return {"container": {"image": image, "digest": os.environ.get(DIGEST) or NO_DIGEST}} if image else {}


def revision() -> str:
    """The checkout's commit, with ``-dirty`` behind it if files differ; ``CLBENCH_REVISION`` where there is none."""
    root = PACKAGE.parent.parent
    described = _git(root, "describe", "--always", "--dirty", "--abbrev=12") if (root / ".git").exists() else None
    return described or os.environ.get("CLBENCH_REVISION", "unknown")


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def machine() -> dict[str, Any]:
    """Processor and its instructions, cores this process may use, memory in GB, system, accelerators there are."""
    memory, found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, processor()
    return {
        "processor": found.name,
        "processor_type": found.type,
        "instructions": _instructions(found),
        "cores": available_cores(),
        "memory_gb": round(memory, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "accelerators": accelerators(),
    }


def accelerators() -> list[str]:
    """Names of the NVIDIA devices that the driver lists; empty without a driver."""
    try:
        query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []


def _shared_plan(plan: Plan, store: Store) -> dict[str, str]:
    """Whose plan all tasks share, and its digest, which every checkpoint and every stage's result carries too."""
    job = plan.preparation
    policy, result = PrepareSpec.model_validate(job.spec).plans, store.job(job.id).read("result")
    words = " ".join(filter(None, (policy.rule, policy.task)))
    return {"policy": words, "sha256": "not prepared" if result is None else result["plans"]}


def _instructions(found: Processor) -> str:
    """The vector extensions, by which native arithmetic chooses its kernels."""
    flags = (flag for flag in found.flags if flag.startswith(("avx", "amx", "fma", "sve", "asimd")))
    return " ".join(sorted(flags)) or platform.machine()


def _plans_digest(store: Store, job_id: str) -> str:
    result = store.job(job_id).read("result")
    return "not prepared" if result is None else f"plans {result['plans'][:12]}, {len(result['files'])} files"
