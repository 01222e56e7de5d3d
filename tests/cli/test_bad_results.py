"""Results that are not as they should be: older, of another version, damaged, too few; each said by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from clbench.report.page.write import write_page
from clbench.report.write import read_summary, write_report
from clbench.results import BaselineInfo, BenchmarkInfo, Row, summarise, write_rows

Call = Callable[..., tuple[int, str, str]]
TASKS = ("liver", "lung")
HERE = {"libraries": {"torch": "2"}, "machine": {"processor": "a"}}


def rows(version: int, seeds: Sequence[int], cases: int) -> Iterator[Row]:
    for seed in seeds:
        for stage, task in ((1, "liver"), (2, "liver"), (2, "lung")):
            for case in map(str, range(cases)):
                place = ("toy", version, "continual", "finetune", seed, 1, stage, TASKS[stage - 1], 1.0, 25)
                yield Row(*place, task, case, "organ", "dice", 0.5 + 0.01 * seed)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Write the folder of a run, all but its plan."""

    def make(name: str, version: int = 1, seeds: Sequence[int] = (0, 1, 2), cases: int = 4) -> Path:
        found, entries = list(rows(version, seeds, cases)), (BaselineInfo("finetune", "fine-tuning"),)
        info = BenchmarkInfo("toy", version, "A toy", TASKS, (), tuple(seeds), entries, (), (TASKS,))
        write_report(tmp_path / name, summarise(info, found, [], {}), HERE)
        write_rows(tmp_path / name / "rows.csv", found)
        return tmp_path / name

    return make


def changed(folder: Path, change: Callable[[dict[str, object]], object]) -> Path:
    content = json.loads((folder / "summary.json").read_text())
    change(content)
    (folder / "summary.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("words", [("compare", "old", "new"), ("compare", "new", "old"), ("metrics", "old"),
                                   ("reference", "old", "--out", "kept")])  # fmt: skip
def test_a_run_folder_of_an_older_schema_is_named_with_the_first_field_and_what_writes_it_anew(
    call: Call, run: Callable[..., Path], words: Sequence[str]
) -> None:
    run("new")
    changed(run("old"), lambda content: content.pop("reference_ml"))
    code, _, err = call(*words)
    assert code == 4
    assert "old/summary.json: not of this version of clbench (reference_ml: Field required)" in err
    assert "`clbench report old`" in err


def test_of_a_reference_of_an_older_schema_the_way_to_a_new_one_is_said(call: Call, run: Callable[..., Path]) -> None:
    run("new")
    assert call("reference", "new", "--out", "kept")[0] == 0
    Path("kept/checksums.json").unlink()  # which older ones don't have
    changed(Path("kept"), lambda content: content.pop("reference_ml"))
    code, _, err = call("compare", "new", "kept")
    assert code == 4
    assert "run its benchmark with this version, then `clbench reference RUN --out kept`" in err
    assert "clbench report" not in err


def test_a_report_of_a_plan_of_an_older_schema_says_what_writes_it_anew(call: Call, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "plan.json").write_text('{"jobs": []}')
    code, _, err = call("report", "old")
    assert code == 4
    assert "old/plan.json is no plan of this version of clbench; `clbench run` writes it anew" in err


def test_a_reference_of_another_version_is_refused_with_both_versions(call: Call, run: Callable[..., Path]) -> None:
    run("run", version=2)
    run("reference")
    code, _, err = call("compare", "run", "reference")
    assert code == 2
    assert "the run is of toy version 2, the reference of toy version 1" in err


@pytest.mark.parametrize("cell", ["nan", "inf", "0,5"])
def test_a_cell_that_is_no_number_is_named_by_file_line_and_column(
    call: Call, run: Callable[..., Path], cell: str
) -> None:
    file = run("run") / "rows.csv"
    lines = file.read_text().splitlines()
    lines[2] = lines[2].rsplit(",", 1)[0] + f',"{cell}"'
    file.write_text("\n".join(lines) + "\n")
    code, _, err = call("metrics", "run")
    assert code == 2
    assert "run/rows.csv:3" in err
    assert "value" in err


def test_a_summary_with_rows_of_another_benchmark_is_refused(call: Call, run: Callable[..., Path]) -> None:
    (run("run") / "rows.csv").write_bytes((run("other", version=2) / "rows.csv").read_bytes())
    code, _, err = call("metrics", "run")
    assert code == 2
    assert "rows of version 2 in a report of toy v1" in err


def test_with_one_case_there_is_a_page_without_intervals_and_a_verdict_by_seeds(
    call: Call, run: Callable[..., Path]
) -> None:
    """The same case on both sides is paired; chance lies between seeds."""
    folder = run("one", cases=1)
    write_page(folder, read_summary(folder / "summary.json"), list(rows(1, (0, 1, 2), 1)))
    assert "± 0.010" in (folder / "report.html").read_text("utf-8")
    code, out, _ = call("compare", "one", run("reference", cases=1), "--mode", "statistical")
    assert code == 0
    assert out.startswith("toy v1: reproduced; judged: suite mean ACC; ")


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_too_few_seeds_for_a_verdict_are_a_failure_and_the_first_line_says_that_nothing_was_judged(
    call: Call, run: Callable[..., Path], seeds: Sequence[int]
) -> None:
    run("run", seeds=seeds)
    run("reference")
    code, out, _ = call("compare", "run", "reference", "--mode", "statistical")
    assert code == 1
    assert out.splitlines()[0].startswith("toy v1: not judged; judged: nothing; not judged: suite mean ACC, ")


def test_numbers_of_other_cases_have_nothing_in_common(call: Call, run: Callable[..., Path]) -> None:
    found = [replace(row, case=f"other {row.case}") for row in rows(1, (0, 1, 2), 4)]
    write_rows(run("run") / "rows.csv", found)
    run("reference")
    code, out, _ = call("compare", "run", "reference", "--mode", "statistical")
    assert code == 1
    assert "toy v1: missing" in out
    assert "the run lacks it under seed 0, 1, 2" in out


def test_a_pair_of_the_same_numbers_is_refused_and_no_reference_is_written(
    call: Call, run: Callable[..., Path]
) -> None:
    run("run")
    run("other")
    code, _, err = call("reference", "run", "--paired", "other", "--out", "kept")
    assert code == 2
    assert "both runs have the same numbers" in err
    assert not Path("kept").exists()


def test_a_pair_that_is_not_there_is_named(call: Call, run: Callable[..., Path]) -> None:
    run("run")
    code, _, err = call("reference", "run", "--paired", "nowhere", "--out", "kept")
    assert code == 4
    assert "nowhere: no summary.json in it" in err


def test_the_passport_of_a_run_needs_no_file_beside_it_and_takes_none(call: Call, run: Callable[..., Path]) -> None:
    folder = run("run")
    code, out, _ = call("metrics", "run", "--json")
    found = {(line["family"], line["name"]): line["values"]["finetune"] for line in json.loads(out)["metrics"]}
    assert code == 0
    assert found["accuracy", "ACC"]["mean"] == pytest.approx(0.51)
    assert found["BWT", "GEM, paper"]["mean"] == pytest.approx(0.0)
    code, out, _ = call("metrics", folder)
    assert (code, "1/(T−1) Σ_{j<T} (R[T][j] − R[j][j])" in out) == (0, True)
    code, _, err = call("metrics", "run", "--joint", "joint.csv")
    assert code == 2
    assert "run: a run's own baselines are its references; leave out --joint" in err


def test_a_matrix_that_is_not_square_is_refused_with_both_numbers(call: Call, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("0.9,\n0.6,0.8\n0.5,0.7\n")
    code, _, err = call("metrics", "r.csv")
    assert code == 2
    assert "r.csv: 3 stages but 2 tasks" in err


def test_a_reference_is_never_kept_where_a_strangers_summary_wants_it(call: Call, run: Callable[..., Path]) -> None:
    changed(run("new"), lambda content: content["benchmark"].update(name="../../outside"))

    code, _, err = call("reference", "new")

    assert code == 4
    assert "new/summary.json: not of this version of clbench (benchmark.name: String should match pattern" in err
