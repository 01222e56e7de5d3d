"""README's sections "Add a method", "Add a task" and "Add a benchmark" work when typed."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[2] / "README.md"
FILE = re.compile(r"^`(my-suite/[^`]+)`\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def typed(undisturbed: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A program in a folder in which everything that README gives as a file was typed."""
    program = undisturbed.program_in(tmp_path_factory.mktemp("typed"))
    for name, text in FILE.findall(README.read_text()):
        file = program.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return program


def _names(typed: Any, kind: str, ending: str = "yaml") -> list[str]:
    return [file.stem for file in (typed.folder / "my-suite" / kind).glob(f"*.{ending}")]


def test_readme_adds_one_method_one_baseline_one_task_and_one_benchmark_and_all_are_valid(typed: Any) -> None:
    added = {kind: _names(typed, kind) for kind in ("baselines", "tasks", "benchmark")}
    added["methods"] = _names(typed, "methods", "py")
    assert {kind: len(names) for kind, names in added.items()} == dict.fromkeys(added, 1)

    assert typed("validate", "--suite", "my-suite").code == 0
    listed = typed("list", "--suite", "my-suite").out
    assert all(f"\n  {name} " in listed for names in added.values() for name in names)


def test_readmes_benchmark_runs_and_its_method_acts_on_its_task(typed: Any) -> None:
    (benchmark,), (task,), (baseline,) = (_names(typed, kind) for kind in ("benchmark", "tasks", "baselines"))
    _shorten(typed.folder / "my-suite" / "benchmark" / f"{benchmark}.yaml")

    said = typed("run", benchmark, "--suite", "my-suite")

    assert said.code == 0, said.err
    folder = typed.folder / "reports" / benchmark
    rows = list(csv.DictReader((folder / "rows.csv").read_text().splitlines()))
    learnt = {(row["baseline"], row["trained_on"]) for row in rows if row["protocol"] == "continual"}
    assert (baseline, task) in learnt
    evidence = {entry["baseline"]: entry for entry in json.loads((folder / "summary.json").read_text())["evidence"]}
    assert evidence[baseline]["inert"] is False
    assert {True} == {stage["expected"] for stage in evidence[baseline]["stages"] if stage["stage"] > 1}
    assert typed("run", benchmark, "--suite", "my-suite").err.startswith("nothing to do: ")


def _shorten(definition: Path) -> None:
    """Two epochs are enough to see that it runs."""
    text, changed = re.subn(r"epochs: \d+", "epochs: 2", definition.read_text())
    assert changed == 1
    definition.write_text(text)


def test_another_setting_of_readmes_method_trains_only_that_baseline_again(typed: Any) -> None:
    (benchmark,), (baseline,) = _names(typed, "benchmark"), _names(typed, "baselines")
    card = typed.folder / "my-suite" / "baselines" / f"{baseline}.yaml"
    assert "{part: encoder}" in card.read_text()
    card.write_text(card.read_text().replace("{part: encoder}", "{part: decoder}"))

    plan = json.loads(typed("plan", benchmark, "--suite", "my-suite", "--json").out)

    todo = {job["title"] for job in plan["jobs"] if not job["cached"]}
    assert len(todo) == 1
    assert todo.pop().startswith(f"{baseline} · stage 2 ")
