"""`clbench drift` on a run that was carried out, and where it can't measure what is asked for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from clbench.run import PLAN, report


@pytest.fixture
def planned(tiny_run: Any, planned_in: Any, tmp_path: Path) -> Path:
    """The folder of a run that is planned and not carried out."""
    return planned_in(tiny_run.plan.model_copy(update={"store": str(tmp_path / "store")}), "planned")


@pytest.fixture
def finished(tiny_run: Any, planned_in: Any, tmp_path: Path) -> Path:
    """The folder of a run that was carried out, its report written, its store its own."""
    shutil.copytree(tiny_run.store.root, tmp_path / "store")
    plan = tiny_run.plan.model_copy(update={"store": str(tmp_path / "store")})
    folder = planned_in(plan, "run")
    report(plan, folder)
    return folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--baseline", "joint"], "no baseline 'joint' that learns stage by stage; it has finetune, head-only"),
        (["--seed", "7"], "no seed 7 that learns stage by stage; it has 0"),
    ],
)
def test_what_the_run_does_not_have_is_refused_with_what_it_has(
    call: Any, planned: Path, words: list[str], said: str
) -> None:
    code, _, err = call("drift", planned, *words)
    assert (code, said in err) == (2, True), err


def test_a_run_without_networks_says_which_are_missing_and_writes_nothing(call: Any, planned: Path) -> None:
    code, _, err = call("drift", planned)
    assert code == 4
    assert "clbench run" in err
    assert "finetune, seed 0, from stage 2 on" in err
    assert {path.name for path in planned.iterdir()} == {PLAN}


def test_a_report_says_how_drift_is_measured_and_shows_it_once_it_is(call: Any, finished: Path) -> None:
    for name in ("report.md", "report.html"):
        assert "Not measured. `clbench drift RUN`" in (finished / name).read_text("utf-8")
    code, out, err = call("drift", finished, "--baseline", "head-only")
    assert (code, str(finished / "drift.csv") in out, "head-only, seed 0: t-SNE" in err) == (0, True, True), err
    assert "| head-only  | bottleneck |        1.000 |" in (finished / "report.md").read_text("utf-8")
    page = (finished / "report.html").read_text("utf-8")
    assert "2 of 4 later stages are not measured" in page
    figures = {"drift-stages", "drift-layers", "tsne-encoder", "tsne-decoder"}
    there = {path.name for path in (finished / "figures").iterdir()}
    assert {f"{figure}.{form}" for figure in figures for form in ("svg", "pdf")} <= there
    call("drift", finished)
    assert "not measured" not in (finished / "report.md").read_text("utf-8")


def test_a_drift_file_that_is_none_is_named_in_the_report(call: Any, finished: Path) -> None:
    (finished / "drift.csv").write_text("a,b\n")
    assert call("report", finished)[0] == 0
    assert "drift.csv:1: the header is 'a,b'" in (finished / "report.md").read_text("utf-8")
