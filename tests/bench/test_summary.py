"""Time from rows to a written report for a large run: 12 methods, 6 tasks, 5 seeds, 60 cases.

``make bench-report`` runs it; docs/metrics.md says what came out.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from clbench.report import write_report
from clbench.report.page.write import PAGE, write_page
from clbench.results import BaselineInfo, BenchmarkInfo, Row, summarise

TASKS = tuple(f"task-{number}" for number in range(6))
SEEDS = tuple(range(5))
METHODS = ("finetune", *(f"method-{number:02d}" for number in range(1, 12)))
INFO = BenchmarkInfo(
    name="large",
    version=1,
    title="A large run",
    sequence=TASKS,
    targets=(),
    seeds=SEEDS,
    baselines=tuple(BaselineInfo(name, name) for name in METHODS),
    caveats=(),
    orders=(TASKS,),
)


def rows() -> Iterator[Row]:
    """Dice and volumes of every case of every task after every stage."""
    random = np.random.default_rng(0)
    for method, seed, (stage, trained_on) in product(METHODS, SEEDS, enumerate(TASKS, start=1)):
        for task, case in product(TASKS[:stage], range(60)):
            place = (
                "large",
                1,
                "continual",
                method,
                seed,
                1,
                stage,
                trained_on,
                1.0,
                100,
                task,
                f"case-{case:02d}",
            )
            dice = float(random.beta(8, 2))
            for metric, value in (("dice", dice), ("predicted_ml", 100 * dice), ("reference_ml", 100.0)):
                yield Row(*place, "organ", metric, value)


@pytest.fixture(scope="module")
def measured() -> tuple[Row, ...]:
    return tuple(rows())


@pytest.mark.benchmark(group="report of 12 methods, 6 tasks, 5 seeds, 60 cases")
def test_summary(measured: tuple[Row, ...], benchmark) -> None:
    benchmark.pedantic(lambda: summarise(INFO, measured, [], {}), rounds=3)
    benchmark.extra_info["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.mark.benchmark(group="report of 12 methods, 6 tasks, 5 seeds, 60 cases")
def test_page(measured: tuple[Row, ...], benchmark, tmp_path: Path) -> None:
    """Figures and page; anew each time, because a page that would not change is not drawn again."""
    summary = summarise(INFO, measured, [], {})
    benchmark.pedantic(lambda: write_page(fresh(tmp_path), summary, measured), rounds=3)
    assert (tmp_path / PAGE).stat().st_size <= 5_000_000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    benchmark.extra_info["peak MB"] = round(peak)
    assert peak <= 1000


def fresh(folder: Path) -> Path:
    (folder / PAGE).unlink(missing_ok=True)
    return folder


@pytest.mark.benchmark(group="report of 12 methods, 6 tasks, 5 seeds, 60 cases")
def test_written_report(measured: tuple[Row, ...], benchmark, tmp_path: Path) -> None:
    summary = summarise(INFO, measured, [], {})
    benchmark.pedantic(lambda: write_report(tmp_path, summary, {}), rounds=3)
