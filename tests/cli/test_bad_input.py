"""Definitions that are wrong: refused before anything runs, with file, line and what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

TASK = """name: mine
version: 1
title: A task of a user
modality: CT
labels: {organ: [1]}
original_labels: {organ: 1, cyst: 2}
cases: 20
source:
  kind: anatomy
  scene: abdomen
  focus: liver
  organs: {organ: liver}
  lesions: {cyst: {organ: liver, count: [0, 2], radius_mm: [8, 16], hu: [0, 20]}}
  spacing: [7, 7, 7]
"""
BASELINE = """name: own
version: 1
title: A baseline of a user
method: l2
settings: {strength: 0.5}
"""
BENCHMARK = """name: bench
version: 1
title: A benchmark of a user
extends: ci
sequence: [mini-liver, mini-spleen, mine]
budget: {epochs: 2, epoch: cases, batch: 2}
protocols:
  from-scratch: {}
  continual: {baselines: [finetune, own]}
  transfer: {targets: [mini-lung], from: [own], fractions: [0.5, 1.0]}
seeds: [0]
"""
FILES = {"tasks/mine.yaml": TASK, "baselines/own.yaml": BASELINE, "benchmark/bench.yaml": BENCHMARK}
BENCH, MINE, OWN = "benchmark/bench.yaml", "tasks/mine.yaml", "baselines/own.yaml"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite in which nothing is wrong."""
    for name, text in FILES.items():
        file = tmp_path / "suite" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "suite"


def _edit(suite: Path, file: str, old: str, new: str) -> Path:
    path = suite / file
    assert path.read_text().count(old) == 1, f"{old!r} must say which place is meant"
    path.write_text(path.read_text().replace(old, new))
    return path


def test_the_suite_that_the_mistakes_are_made_in_can_be_planned(call: Any, suite: Path) -> None:
    assert call("plan", "bench", "--suite", suite)[0] == 0


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (BENCH, "seeds: [0]", "sedes: [0]", "11: sedes: unknown key; did you mean 'seeds'?"),
        (
            BENCH,
            "mini-liver,",
            "mini-livr,",
            "5: sequence[0]: there is no task 'mini-livr'; did you mean 'mini-liver'?",
        ),
        (BENCH, "[finetune, own]", "[finetune, owm]", "9: protocols.continual.baselines[1]: "),
        (BENCH, "extends: ci", "extends: cj", "4: extends: there is no benchmark 'cj'; did you mean 'ci'?"),
        (
            BENCH,
            "[mini-lung]",
            "[mini-spleen]",
            "10: protocols.transfer.targets[0]: 'mini-spleen' is in the sequence",
        ),
        (BENCH, "mini-spleen, mine", "mine, mine", "5: sequence[2]: 'mine' is listed twice"),
        (BENCH, "[0.5, 1.0]", "[0.5, 1.5]", "10: protocols.transfer.fractions[1]: must be less than or equal to 1"),
        (OWN, "method: l2", "method: l3", "4: method: there is no method 'l3'; did you mean 'l2'?"),
        (
            OWN,
            "{strength: 0.5}",
            "{strenght: 0.5}",
            "5: settings.strenght: l2 has no such setting; did you mean 'stren",
        ),
        (OWN, "{strength: 0.5}", "{strength: high}", "5: settings.strength: must be "),
        (
            MINE,
            "{organ: [1]}",
            "{organ: []}",
            "5: labels.organ: collects no original value; valid: 1 (organ), 2 (cyst)",
        ),
        (
            MINE,
            "{organ: [1]}",
            "{organ: [3]}",
            "5: labels.organ[0]: 3 is not among original_labels; valid: 1 (organ)",
        ),
        (
            MINE,
            "  organs: {organ: liver}",
            "  organs: {}",
            "5: labels.organ: no case contains it: the source marks cyst",
        ),
        (MINE, "count: [0, 2]", "count: [0, 0]", "13: source.lesions.cyst.count: [0, 0] never draws a lesion"),
    ],
)
def test_a_wrong_definition_is_refused_with_2_by_file_and_line_and_nothing_is_begun(
    call: Any, suite: Path, tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    path = _edit(suite, file, old, new)

    code, out, err = call("run", "bench", "--suite", suite)

    assert (code, out) == (2, "")
    assert err.startswith(f"error: {path}:{said}")
    assert list(tmp_path.iterdir()) == [suite], "no store, no reports"


def test_all_mistakes_in_all_files_are_named_in_one_go(call: Any, suite: Path) -> None:
    _edit(suite, BENCH, "seeds: [0]", "sedes: [0]")
    _edit(suite, BENCH, "[0.5, 1.0]", "[0.5, 1.5]")
    _edit(suite, OWN, "{strength: 0.5}", "{strenght: 0.5}")
    _edit(suite, MINE, "{organ: [1]}", "{organ: []}")

    _, _, err = call("plan", "bench", "--suite", suite)

    assert {line.removeprefix("error: ").split(": ")[1] for line in err.splitlines()} == {
        "sedes", "protocols.transfer.fractions[1]", "settings.strenght", "labels.organ",
    }  # fmt: skip


def test_a_method_file_that_is_no_python_is_named_with_its_line(call: Any, suite: Path) -> None:
    method = suite / "methods" / "mine.py"
    method.parent.mkdir()
    method.write_text("class Mine(Method):\n    def begin_stage(self:\n")
    _edit(suite, OWN, "method: l2", "method: mine")

    code, _, err = call("plan", "bench", "--suite", suite)

    assert code == 2
    assert f"{method}:2: is not valid Python" in err


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("mini-organ", "there is no benchmark 'mini-organ'; did you mean 'mini-organs'?"),
        ("bench.yaml", "bench.yaml: there is no such file"),
    ],
)
def test_an_unknown_benchmark_is_refused_with_2(call: Any, argument: str, said: str) -> None:
    code, _, err = call("run", argument)

    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    ("folder", "said"), [("nowhere", "there is no such folder"), ("empty", "is no suite; it has none of the folders")]
)
def test_a_suite_that_is_none_is_refused_with_2(call: Any, tmp_path: Path, folder: str, said: str) -> None:
    (tmp_path / "empty").mkdir()

    code, _, err = call("list", "--suite", folder)

    assert code == 2
    assert f"{tmp_path / folder}: {said}" in err


@pytest.mark.slow
def test_a_label_that_no_training_case_shows_is_named_before_anything_is_trained(program: Any, suite: Path) -> None:
    _edit(suite, MINE, "organs: {organ: liver}", "organs: {organ: bladder}")  # images of the liver don't show it
    _edit(suite, BENCH, "[mini-liver, mini-spleen, mine]", "[mini-liver, mine]")
    _edit(suite, BENCH, "  transfer: {targets: [mini-lung], from: [own], fractions: [0.5, 1.0]}\n", "")

    said = program("run", "bench", "--suite", suite)

    assert said.code == 3
    assert "error: task mine: labels.organ: no voxel of it in any of the 12 training cases; " in said.err
    assert "1 failed, 4 not tried" in said.err.splitlines()[-1]
    assert [folder.name.partition("-")[0] for folder in _jobs(program.folder)] == ["prepare"]


def _jobs(folder: Path) -> list[Path]:
    return [path for path in (folder / ".clbench" / "jobs").iterdir() if path.is_dir()]
