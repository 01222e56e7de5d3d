"""Stands in for ``clbench.job``: does what a job's ``spec`` says, and leaves the same traces in the store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from clbench.cores import available_cores
from clbench.store import Store

LOADED: list[int] = []
CORES: list[int] = []


def preload() -> None:
    """Remember which process loaded this module, and how many cores it saw."""
    LOADED.append(os.getpid())
    CORES.append(available_cores())


def main(plan_path: str, job_id: str) -> int:
    """Note the start, do what the spec says, write a result."""
    plan = json.loads(Path(plan_path).read_text())
    spec = next(job["spec"] for job in plan["jobs"] if job["id"] == job_id)
    folder = Store(Path(spec["store"])).job(job_id)
    folder.path.mkdir(parents=True, exist_ok=True)
    began = time.time()
    _redirect(folder.log)
    (folder.path / "pid.txt").write_text(str(os.getpid()))
    with open(Path(spec["store"]) / "starts.txt", "a") as starts:
        starts.write(f"{job_id}\n")
    _note(spec, "begin", job_id)
    _act(spec)
    _note(spec, "end", job_id)
    folder.finish("result", {"began": began, "ended": time.time(), **_facts()}, [])
    return 0


def _redirect(log: Path) -> None:
    sys.stdout.flush()
    with open(log, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _note(spec: dict[str, Any], what: str, job_id: str) -> None:
    """Say in a common file which GPU this job sees, where the spec names one."""
    if "gpus" in spec:
        gpu = os.environ.get("CUDA_VISIBLE_DEVICES")
        with open(spec["gpus"], "a") as file:
            file.write(f"{what} {gpu} {job_id} {os.getpid()}\n")


def _act(spec: dict[str, Any]) -> None:
    if "helper" in spec:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", spec["helper"]])
    time.sleep(spec.get("sleep", 0))
    if "say" in spec:
        print(spec["say"], flush=True)
    if "signal" in spec:
        _note(spec, "end", "killed")
        os.kill(os.getpid(), spec["signal"])
    if "error" in spec:
        raise ValueError(spec["error"])
    if "code" in spec:
        sys.exit(spec["code"])


def _facts() -> dict[str, Any]:
    names = ("OMP_NUM_THREADS", "CLBENCH_THREADS")
    facts: dict[str, Any] = {"pid": os.getpid(), "parent": os.getppid(), "loaded": LOADED}
    facts["cores"] = [*CORES, available_cores()]
    return {**facts, "environment": {name: os.environ.get(name) for name in names}}
