"""Several runs in one table: what can't be read is a hole with its reason, what must not be mixed is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clbench.definitions.subset import Subset
from clbench.report.write import write_report
from clbench.results import BaselineInfo, BenchmarkInfo, Row, summarise, write_rows

Call = Callable[..., tuple[int, str, str]]
TASKS = ("liver", "lung")
NAMES = (BaselineInfo("joint", "all at once"), BaselineInfo("finetune", "fine-tuning"))
FULL = BenchmarkInfo("toy", 1, "A toy", TASKS, (), (0, 1, 2), NAMES, (), (TASKS,))
SUBSET = replace(FULL, name="toy-ci", subset_of=Subset(name="toy", version=1, smaller=("fewer epochs (5 of 25)",)))
ORIGIN = {"revision": "abc123", "date": "2030-01-02", "command": "clbench run toy"}


def rows(info: BenchmarkInfo, shift: float) -> Iterator[Row]:
    for seed, case in ((seed, case) for seed in info.seeds for case in "abcd"):
        for baseline, stage, task, dice in (
            ("joint", 1, "liver", 0.8), ("joint", 1, "lung", 0.8), ("finetune", 1, "liver", 0.9),
            ("finetune", 2, "liver", 0.5), ("finetune", 2, "lung", 0.7),
        ):  # fmt: skip
            protocol, trained = ("joint", "liver+lung") if baseline == "joint" else ("continual", TASKS[stage - 1])
            place = (info.name, info.version, protocol, baseline, seed, 1, stage, trained, 1.0, 5, task, case)
            yield Row(*place, "organ", "dice", dice + shift + 0.01 * seed, info.mark)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run's folder below reports/."""

    def make(name: str, info: BenchmarkInfo = FULL, shift: float = 0.0, lacks: str = "") -> Path:
        found, folder = [row for row in rows(info, shift) if row.baseline != lacks], tmp_path / "reports" / name
        write_report(folder, summarise(info, found, [], {}), ORIGIN)
        write_rows(folder / "rows.csv", found)
        return folder

    return make


def test_every_baseline_of_every_run_has_a_line_with_its_numbers(call: Call, run: Callable[..., Path]) -> None:
    run("first")
    run("second", replace(FULL, seeds=(5, 6, 7)), shift=0.05)
    code, out, _ = call("runs", "reports/first", "reports/second", "--csv", "runs.csv")
    assert code == 0
    (line,) = (line for line in out.splitlines() if line.startswith("reports/first ") and "finetune" in line)
    for word in ("toy v1", "0 1 2", "abc123", "2030-01-02", "0.610 [", "-0.400", "0.400"):
        assert word in line
    (joint,) = (line for line in out.splitlines() if line.startswith("reports/first ") and "joint" in line)
    assert "–" not in joint, "what has no stages has no BWT, which is no hole"
    found = list(csv.DictReader(Path("runs.csv").read_text().splitlines()))
    assert [(row["run"], row["baseline"]) for row in found] == [
        (f"reports/{name}", baseline) for name in ("first", "second") for baseline in ("joint", "finetune")
    ]
    assert float(found[3]["final Dice ↑"]) == pytest.approx(0.6 + 0.05 + 0.06)


def test_json_has_interval_and_place_of_every_number(call: Call, run: Callable[..., Path]) -> None:
    run("first", SUBSET)
    code, out, _ = call("runs", "--json")
    (entry,) = json.loads(out)
    assert code == 0
    assert (entry["benchmark"], entry["seeds"], entry["revision"]) == ("toy-ci", [0, 1, 2], "abc123")
    assert entry["subset_of"]["name"] == "toy"
    assert entry["baselines"][1]["final_dice"]["interval"]["seeds"] == 3
    assert entry["baselines"][1]["backward_transfer"]["mean"] == pytest.approx(-0.4)


def test_without_a_folder_all_runs_below_reports_are_shown_and_nothing_else(
    call: Call, run: Callable[..., Path], tmp_path: Path
) -> None:
    run("first")
    run("reference/toy")
    (tmp_path / "reports" / "gallery").mkdir()
    code, out, _ = call("runs")
    assert code == 0
    assert {line.split()[0] for line in out.splitlines() if line.startswith("reports/")} == {"reports/first"}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (replace(FULL, version=2), "version 1 and version 2 of toy"),
        (SUBSET, "toy-ci v1 is a subset of toy v1: fewer epochs (5 of 25)"),
        (replace(FULL, name="toy-original", as_original=True), "toy-original v1 is AS-ORIGINAL"),
    ],
)
def test_what_must_not_be_mixed_is_refused_with_both_folders(
    call: Call, run: Callable[..., Path], other: BenchmarkInfo, reason: str
) -> None:
    run("first")
    run("other", other)
    code, out, err = call("runs")
    assert (code, out) == (2, "")
    assert "reports/first and reports/other can't stand in one table" in err
    assert reason in err


def test_a_run_that_is_not_finished_is_a_hole_with_the_command_that_goes_on(
    call: Call, run: Callable[..., Path], tmp_path: Path
) -> None:
    run("first")
    begun = tmp_path / "reports" / "begun"
    begun.mkdir()
    (begun / "plan.json").write_text('{"resolved": {"benchmark": {"name": "toy-long"}}}')
    code, out, _ = call("runs", "--markdown", "runs.md")
    assert code == 0
    (line,) = (line for line in out.splitlines() if line.startswith("reports/begun "))
    assert line.split()[1:] == ["–"] * 8
    for text in (" ".join(out.split()), Path("runs.md").read_text()):
        assert "reports/begun: begun, and no report yet; `clbench run toy-long` goes on with it" in text


def test_a_result_that_is_missing_is_a_hole_and_its_reason_is_said(call: Call, run: Callable[..., Path]) -> None:
    run("first", lacks="finetune")
    code, out, _ = call("runs")
    assert code == 0
    (line,) = (line for line in out.splitlines() if line.startswith("reports/first ") and "finetune" in line)
    assert line.split()[-3:] == ["–"] * 3
    assert "6 results are missing, the first of continual finetune, seed 0, stage 1: " in " ".join(out.split())


def test_a_folder_that_is_no_run_and_one_of_an_older_schema_are_said_and_end_with_4(
    call: Call, run: Callable[..., Path], tmp_path: Path
) -> None:
    run("first")
    (tmp_path / "empty").mkdir()
    old = run("old") / "summary.json"
    old.write_text(json.dumps({key: value for key, value in json.loads(old.read_text()).items() if key != "costs"}))
    code, out, _ = call("runs", "reports/first", "reports/old", "empty")
    words = " ".join(out.split())
    assert code == 4
    assert "empty: no summary.json in it; a run's folder or a reference is wanted" in words
    assert "reports/old/summary.json: not of this version of clbench (costs: Field required)" in words
    assert "`clbench report reports/old` writes it anew" in words
    assert "finetune" in words


def test_where_there_is_no_run_the_command_that_makes_one_is_said(call: Call) -> None:
    code, _, err = call("runs")
    assert code == 4
    assert "reports: there is no run's folder in it; `clbench run` makes one" in err
