"""What README and the worked example of docs/methods.md tell to type works when it is typed."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pages import Page

ROOT = Path(__file__).parents[2]
README = Page.named("README.md")
METHODS = Page.named("docs/methods.md").text
EXAMPLE = Page(METHODS.partition("\n## A worked example\n")[2].partition("\n## ")[0])
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def typed(undisturbed: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A program in a folder in which everything that README gives as a file was typed."""
    program = undisturbed.program_in(tmp_path_factory.mktemp("typed"))
    README.type_files(program.folder)
    return program


@pytest.fixture(scope="module")
def ran(undisturbed: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A program in a folder in which README's benchmark was run, with fewer epochs."""
    program = undisturbed.program_in(tmp_path_factory.mktemp("ran"))
    README.type_files(program.folder)
    (benchmark,) = _names(program, "benchmark")
    _shorten(program.folder / "my-suite" / "benchmark" / f"{benchmark}.yaml")
    said = program("run", benchmark, "--suite", "my-suite", "--trust")
    assert said.code == 0, said.err
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


def test_readmes_benchmark_runs_and_its_method_acts_on_its_task(ran: Any) -> None:
    (benchmark,), (task,), (baseline,) = (_names(ran, kind) for kind in ("benchmark", "tasks", "baselines"))
    folder = ran.folder / "reports" / benchmark
    rows = list(csv.DictReader((folder / "rows.csv").read_text().splitlines()))
    learnt = {(row["baseline"], row["trained_on"]) for row in rows if row["protocol"] == "continual"}
    assert (baseline, task) in learnt
    evidence = {entry["baseline"]: entry for entry in json.loads((folder / "summary.json").read_text())["evidence"]}
    assert evidence[baseline]["inert"] is False
    assert {True} == {stage["expected"] for stage in evidence[baseline]["stages"] if stage["stage"] > 1}
    assert ran("run", benchmark, "--suite", "my-suite", "--trust").err.startswith("nothing to do: ")


def _shorten(definition: Path) -> None:
    """Two epochs are enough to see that it runs."""
    text, changed = re.subn(r"epochs: \d+", "epochs: 2", definition.read_text())
    assert changed == 1
    definition.write_text(text)


def test_another_setting_of_readmes_method_trains_only_that_baseline_again(ran: Any) -> None:
    (benchmark,), (baseline,) = _names(ran, "benchmark"), _names(ran, "baselines")
    suite = Path(shutil.copytree(ran.folder / "my-suite", ran.folder / "changed"))
    card = suite / "baselines" / f"{baseline}.yaml"
    assert "{part: encoder}" in card.read_text()
    card.write_text(card.read_text().replace("{part: encoder}", "{part: decoder}"))

    plan = json.loads(ran("plan", benchmark, "--suite", "changed", "--json").out)

    todo = {job["title"] for job in plan["jobs"] if not job["cached"]}
    assert len(todo) == 1
    assert todo.pop().startswith(f"{baseline} · stage 2 ")


def test_the_worked_example_can_be_typed_command_by_command_and_its_neutral_variant_is_finetuning(
    undisturbed: Any, tmp_path: Path
) -> None:
    program = undisturbed.program_in(tmp_path)
    README.type_files(tmp_path)
    method, card, benchmark = EXAMPLE.type_files(tmp_path)
    assert not (ROOT / "src" / "clbench" / "methods" / method.name).exists(), "an example of what is not there yet"
    _shorten(tmp_path / "my-suite" / "benchmark" / "my-first.yaml")

    said = [command(program) for command in EXAMPLE.commands]

    assert [command.line.split()[1] for command in EXAMPLE.commands] == ["test-method", "validate", "run"]
    assert [one.code for one in said] == [0, 0, 0], [one.out + one.err for one in said if one.code]
    assert said[0].out.splitlines()[-1] in EXAMPLE.text
    _expect_neutral(tmp_path / "reports" / benchmark.stem, card.stem)


def _expect_neutral(folder: Path, baseline: str) -> None:
    """One variant alone is inert, and its rows are finetune's."""
    evidence = {entry["baseline"]: entry for entry in json.loads((folder / "summary.json").read_text())["evidence"]}
    variants = {name: entry["inert"] for name, entry in evidence.items() if name.startswith(baseline)}
    assert variants == {name: name.endswith("=0]") for name in variants}
    assert len(variants) == 3
    rows = list(csv.DictReader((folder / "rows.csv").read_text().splitlines()))
    (neutral,) = (name for name, inert in variants.items() if inert)
    assert _of(rows, neutral) == _of(rows, "finetune")


def _of(rows: list[dict[str, str]], baseline: str) -> list[dict[str, str]]:
    """A baseline's rows, without its name."""
    own = [{**row, "baseline": ""} for row in rows if row["baseline"] == baseline and row["protocol"] == "continual"]
    assert own
    return own
