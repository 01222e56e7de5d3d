"""What is changed after a run, and the work that it makes: its own and no other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
CHANGED = "name: changed\nversion: 1\ntitle: Something is changed\nextends: small\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the engine's source, beside the shipped definitions."""
    for folder in ("tasks", "baselines", "benchmark"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignored))


@pytest.fixture
def to_do(program: Any, undisturbed: Any) -> Callable[..., set[str]]:
    """The jobs that are left after the run, by their ids up to the seed."""

    def left(suite: Path = undisturbed.suite, benchmark: str = "small", source: Path | None = None) -> set[str]:
        words = ("plan", benchmark, "--suite", suite, "--store", undisturbed.store, "--json")
        said = replace(program, source=source)(*words)
        assert said.code == 0, said.err
        return {job["id"].partition("-s0-")[0] for job in json.loads(said.out)["jobs"] if not job["cached"]}

    return left


def changed(suite: Path, folder: Path, text: str) -> Path:
    """The suite of a run with a benchmark beside its own that differs from it by a text."""
    copy = Path(shutil.copytree(suite, folder / "changed"))
    (copy / "benchmark" / "changed.yaml").write_text(CHANGED + text)
    return copy


def test_comments_docstrings_and_line_numbers_of_the_whole_engine_rerun_nothing(source: Path, to_do: Any) -> None:
    for file in (source / "clbench").rglob("*.py"):
        before = file.read_text()
        file.write_text(before.replace('"""', '"""In other words. ', 1) + "\n\n# why not\n")

    assert to_do(source=source) == set()


def test_another_loop_trains_all_stages_again_and_prepares_nothing(source: Path, to_do: Any) -> None:
    loop = source / "clbench" / "training" / "stage.py"
    loop.write_text(loop.read_text().replace("CLIP = 12.0", "CLIP = 11.0"))

    left = to_do(source=source)

    assert len(left) == 9
    assert not any(job.startswith("prepare") for job in left)


def test_a_changed_method_file_reruns_its_own_chain_alone(source: Path, to_do: Any) -> None:
    file = source / "clbench" / "methods" / "replay.py"
    file.write_text(file.read_text() + "\nNEW = 1\n")

    assert to_do(source=source) == {"stage2-mini-spleen-replay", "stage3-mini-kidney-replay"}


def test_a_changed_strength_trains_its_own_later_stages_and_nothing_else(
    program: Any, undisturbed: Any, tmp_path: Path
) -> None:
    text = "protocols: {continual: {baselines: [finetune, {ewc: {strength: 0.123}}, replay]}, from-scratch: {}}\n"
    suite = changed(undisturbed.suite, tmp_path, text)

    trained, said = trained_by(program, undisturbed, suite)

    assert "2 of 10 jobs to do, 8 cached" in said.err
    assert {name.partition("-s0-")[0] for name in trained} == {"stage2-mini-spleen-ewc", "stage3-mini-kidney-ewc"}


def test_a_new_metric_measures_every_stage_and_trains_none(
    program: Any, undisturbed: Any, tmp_path: Path
) -> None:
    suite = changed(undisturbed.suite, tmp_path, "metrics: [dice, hd95]\n")

    trained, said = trained_by(program, undisturbed, suite)

    assert "9 of 10 jobs to do, 1 cached" in said.err
    assert trained == set()
    rows = (tmp_path / "run" / "rows.csv").read_text()
    assert rows.count(",dice,") == rows.count(",hd95_mm,") == undisturbed.rows.count(b",dice,")


def trained_by(program: Any, undisturbed: Any, suite: Path) -> tuple[set[str], Any]:
    """The jobs that a run of the changed benchmark on a copy of the store has trained, and what it said."""
    store = Path(shutil.copytree(undisturbed.store, program.folder / "store"))
    before = trainings(store)
    said = program("run", "changed", "--suite", suite, "--store", store, "--out", "run")
    assert said.code == 0, said.err
    return {job for job, time in trainings(store).items() if before.get(job) != time}, said


def trainings(store: Path) -> dict[str, int]:
    """When each stage's training was sealed, by its job."""
    return {file.parent.name: file.stat().st_mtime_ns for file in (store / "jobs").glob("*/trained.json")}
