"""Carries a plan out the way ``clbench run`` does: ``drive.py PLAN STORE RUN_FOLDER JOBS LEASES GPU…``."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from clbench.execute.backends import Local
from clbench.execute.lock import hold
from clbench.execute.run import carry_out
from clbench.plan import Plan
from clbench.store import Store


def main(plan_path: Path, store: Store, run_folder: Path, backend: Local) -> int:
    """Hold the folder, do what is not done, end with the outcome's exit code."""
    console = Console()
    with hold(run_folder, console=console):
        plan = Plan.model_validate_json(plan_path.read_text())
        done = {job.id for job in plan.jobs if store.job(job.id).read("result") is not None}
        return carry_out(plan_path, plan, done, store, run_folder, backend, console, module="stand_in").exit_code


if __name__ == "__main__":
    plan, root, run, jobs, leases, *gpus = sys.argv[1:]
    sys.exit(main(Path(plan), Store(Path(root)), Path(run), Local(int(jobs), tuple(gpus), Path(leases))))
