"""A benchmark small enough to train inside a test: three real tasks, two epochs of two steps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

import clbench  # noqa: F401 before numpy and torch, so that tests compute as jobs do
from command_line import Program, Undisturbed, undisturbed_run
from machine import Unavailable, mounted

settings.register_profile("clbench", deadline=None)  # seconds are for the bench suite
settings.load_profile("clbench")

if "PYTEST_XDIST_WORKER" in os.environ:  # tests side by side share the cores; torch reads this as it is imported
    os.environ["OMP_NUM_THREADS"] = "1"

TINY = """
name: tiny
version: 1
title: Two epochs of two steps
scenario: task-incremental
sequence: [mini-liver, mini-spleen, mini-kidney]
backbone: {configuration: 3d_fullres, spacing: [12, 12, 12], patch: [16, 16, 16], features: [4, 8, 8], mirror: true}
optimizer: {lr: 0.05, momentum: 0.9, warmup: 2}
budget: {epochs: 2, batch: 2}
sample: {train: 4, val: 1, seed: 0}
protocols:
  from-scratch: {}
  joint: {}
  continual: {baselines: [finetune, head-only]}
  transfer: {targets: [mini-lung], from: [finetune, joint], epochs: [1, 2], fractions: [0.5, 1.0]}
seeds: [0]
"""


@dataclass(frozen=True)
class TinyRun:
    """A carried-out plan."""

    plan: object
    store: object

    def jobs(self, baseline: str, protocol: str = "continual") -> list[object]:
        """The jobs of a baseline, by stage."""
        uses = [u for u in self.plan.uses if (u.protocol, u.baseline) == (protocol, baseline)]
        assert uses, f"no {protocol} baseline {baseline}"
        return [self.plan.job(u.job) for u in sorted(uses, key=lambda u: (u.stage, u.fraction))]

    def result(self, job: object) -> dict:
        """A job's result."""
        return self.store.job(job.id).read("result")

    def model(self, job: object, name: str = "checkpoint_final") -> dict:
        """A job's checkpoint."""
        from clbench.nnunet.checkpoint import load

        return load(self.store.job(job.id).path / "model" / "fold_0" / f"{name}.pth")

    def dice(self, job: object, epoch: int = 2) -> dict[str, list[float | None]]:
        """Dice by task."""
        found: dict[str, list[float | None]] = {}
        for m in self.result(job)["measurements"]:
            if m["metric"] == "dice" and m["epoch"] == epoch:
                found.setdefault(m["task"], []).append(m["value"])
        return found


@pytest.fixture(scope="session")
def tiny_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite with the benchmark ``tiny``."""
    suite = tmp_path_factory.mktemp("suite")
    (suite / "benchmark").mkdir()
    (suite / "benchmark" / "tiny.yaml").write_text(TINY)
    return suite


def carry_out_here(plan: object, store: object) -> None:
    """Do the jobs of a plan one after another in this process."""
    from clbench.job.prepare import prepare
    from clbench.job.stage import run_stage

    for job in plan.jobs:
        if job.kind == "prepare":
            prepare(job, store.job(job.id), threads=2)
        else:
            run_stage(plan, job, store)


@pytest.fixture(scope="session")
def tiny_run(tiny_suite: Path, tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """The benchmark ``tiny``, carried out once for all tests."""
    from clbench.run import Places
    from clbench.store import Store

    root = tmp_path_factory.mktemp("store")
    plan = Places((tiny_suite,), root).plan("tiny")
    run = TinyRun(plan, Store(root))
    carry_out_here(plan, run.store)
    return run


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Where methods are trained on the conformance suite's tiny tasks; each stage once for all tests."""
    from clbench.conformance.laboratory import Laboratory

    return Laboratory(tmp_path_factory.mktemp("laboratory"))


SMALL = """
name: small
version: 1
title: Two epochs of two steps on three tasks
scenario: task-incremental
sequence: [mini-liver, mini-spleen, mini-kidney]
backbone: {configuration: 3d_fullres, spacing: [12, 12, 12], patch: [16, 16, 16], features: [4, 8, 8], mirror: false}
optimizer: {lr: 0.05, momentum: 0.9, warmup: 2}
budget: {epochs: 2, batch: 2}
sample: {train: 4, val: 1, seed: 0}
protocols:
  from-scratch: {}
  continual: {baselines: [finetune, ewc, replay]}
seeds: [0]
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The command line in an empty folder."""
    return Program(tmp_path)


@pytest.fixture(scope="session")
def small_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite with the benchmark ``small``."""
    suite = tmp_path_factory.mktemp("small") / "suite"
    (suite / "benchmark").mkdir(parents=True)
    (suite / "benchmark" / "small.yaml").write_text(SMALL)
    return suite


@pytest.fixture(scope="session")
def undisturbed(small_suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The benchmark ``small``, run once for all tests; copy its store, don't change it."""
    root = tmp_path_factory.mktemp("undisturbed")
    return undisturbed_run(Program(root), "run", "small", "--suite", small_suite, suite=small_suite)


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that holds 16 MB, or as much as a test's indirect parameter says."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    words = ("mount", "-t", "tmpfs", "-o", f"size={getattr(request, 'param', '16m')}", "tmpfs")
    try:
        with mounted(tmp_path / "disk", *words) as folder:
            yield folder
    except Unavailable as why:
        pytest.skip(f"no small file system can be mounted here: {why}")
