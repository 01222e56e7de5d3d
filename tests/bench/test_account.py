"""Where the CPU time of a whole run goes, every part of it, and what a second core brings.

``make bench-account`` runs ``mini-organs`` from nothing, with one job at a time and with two, and
``docs/account_table.py`` makes the tables of docs/performance.md of what it wrote.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.accounted import MEASURED, PREPARED
from bench.cpu_time import children_cpu
from clbench.execute.backends import Local
from clbench.execute.run import carry_out
from clbench.plan import Plan
from clbench.plan.sealed import plan_bytes
from clbench.run import Places, finished, report
from clbench.store import Store, write_atomic

BENCHMARK = os.environ.get("BENCHMARK", "mini-organs")


@dataclass
class AccountedRun:
    """A run whose every process says where its time went.

    Attributes:
        folder: the run's; the store is in it.
        jobs: at a time.
    """

    folder: Path
    jobs: int

    def __post_init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.plan: Plan = self.own("plan", lambda: Places((), self.folder / "store").plan(BENCHMARK))
        self.store = Store(Path(self.plan.store))

    def own(self, part: str, do: Any) -> Any:
        """Do something in this process and book it."""
        before = time.process_time()
        done = do()
        self.seconds[part] += time.process_time() - before
        return done

    def carry_out(self) -> None:
        """What ``clbench run`` does; the wall time of all of it is the benchmark's."""
        file, console = self.folder / "plan.json", Console(file=StringIO())
        write_atomic(file, plan_bytes(self.plan))
        done = self.own("plan", lambda: finished(self.plan, self.store, console))
        before = children_cpu()
        backend = Local(jobs=self.jobs)
        arguments = (file, self.plan, done, self.store, self.folder, backend, console)
        outcome = self.own("watching", lambda: carry_out(*arguments, module="bench.accounted"))
        assert outcome.exit_code == 0
        self.seconds["children"] = children_cpu() - before
        self.own("report", lambda: report(self.plan, self.folder, "clbench run"))

    def account(self, job: str) -> dict[str, float]:
        """CPU seconds of a job by phase."""
        found: dict[str, float] = json.loads((self.store.job(job).path / "account.json").read_text())["seconds"]
        return found

    def parts(self) -> dict[str, float]:
        """CPU seconds of the whole run by part; they sum up to all that was used."""
        log = (self.folder / "engine.log").read_text()
        imported = float(re.search(r"imported in ([\d.]+) s", log)[1])  # type: ignore[index]
        jobs = Counter[str]()
        for job in self.plan.jobs:
            jobs.update(self.account(job.id))
        others = self.seconds["children"] - imported - sum(jobs.values())
        start = {"command: start and imports": start_of_a_command(), "command: plan": self.seconds["plan"]}
        engine = {"warm server: torch and nnU-Net imported once": imported, "Snakemake and its clients": others}
        end = {"command: watching": self.seconds["watching"], "command: report": self.seconds["report"]}
        return start | engine | dict(jobs) | end


def start_of_a_command() -> float:
    """CPU seconds until a command knows what it is to do."""
    before = children_cpu()
    subprocess.run([sys.executable, "-c", "import clbench.cli.runs"], check=True)
    return children_cpu() - before


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.benchmark(group="whole run, jobs at a time", timer=time.perf_counter)
def test_a_whole_run(jobs: int, benchmark: Any, tmp_path: Path, modules_of_tests: None) -> None:
    """Nothing is measured by a clock that other programs could stretch, but the wall time itself."""
    run = AccountedRun(tmp_path, jobs)
    load = os.getloadavg()[0]
    benchmark.pedantic(run.carry_out, rounds=1)
    parts = run.parts()
    tuned = [use for use in run.plan.uses if (use.protocol, use.baseline) == ("continual", "finetune")]
    last = max(tuned, key=lambda use: use.stage).job
    stage = run.account(last)
    assert parts[PREPARED] > 0
    assert stage[MEASURED] > 0, "the evaluation went by a door that nobody stood at"
    spec = run.plan.job(last).spec
    benchmark.extra_info.update(
        run=parts, stage=stage, job=run.plan.job(last).title, iterations=spec["epochs"] * spec["iterations"],
        load=load,
    )  # fmt: skip
