"""status, report, export, job and plan once a run is there; and what they say where there is none."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def run(undisturbed: Any, tmp_path: Path) -> Path:
    """A copy of the run's folder; its plan names the store of the original."""
    return Path(shutil.copytree(undisturbed.folder, tmp_path / "run"))


def _plan(run: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((run / "plan.json").read_text())
    return plan


@pytest.mark.slow
def test_a_run_prints_its_tables_and_where_the_whole_report_is(undisturbed: Any) -> None:
    out = undisturbed.said.out

    assert "small v1 · seed 0 (one seed: no ranking)" in out
    for baseline in ("from-scratch", "finetune", "ewc", "replay"):
        assert f"\n{baseline} " in out
    assert out.splitlines()[-1] == (
        f"The whole report: {undisturbed.folder / 'report.md'}   every measurement: {undisturbed.folder / 'rows.csv'}"
    )


@pytest.mark.slow
def test_a_run_without_a_terminal_prints_one_plain_line_per_job(undisturbed: Any) -> None:
    lines = undisturbed.said.err.splitlines()

    titles = [job["title"] for job in _plan(undisturbed.folder)["jobs"]]
    assert lines[0].startswith(f"{len(titles)} of {len(titles)} jobs to do, 0 cached, on ")
    assert [line.split("  ")[0] for line in lines[1:]] == [f"{n}/{len(titles)}" for n in range(1, len(titles) + 1)]
    assert sorted(line.split("  ")[1] for line in lines[1:]) == sorted(titles)
    assert "\x1b" not in undisturbed.said.err


@pytest.mark.slow
def test_every_measurement_is_in_the_rows_and_dice_has_the_predicted_volume_beside_it(undisturbed: Any) -> None:
    rows = list(csv.DictReader(undisturbed.rows.decode().splitlines()))

    continual = {(row["baseline"], row["stage"], row["task"]) for row in rows if row["protocol"] == "continual"}
    order = ["mini-liver", "mini-spleen", "mini-kidney"]
    assert continual == {
        (baseline, str(stage), task)
        for baseline in ("finetune", "ewc", "replay")
        for stage in (1, 2, 3)
        for task in order[:stage]
    }
    places = {metric: {_place(row) for row in rows if row["metric"] == metric} for metric in ("dice", "predicted_ml")}
    assert places["dice"] == places["predicted_ml"] != set()


def _place(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("protocol", "baseline", "stage", "task", "case", "label"))


@pytest.mark.slow
def test_status_counts_what_is_done(call: Any, run: Path) -> None:
    total = len(_plan(run)["jobs"])

    assert call("status", run) == (0, f"{total} of {total} jobs done\n", "")
    named = json.loads(call("status", run, "--json")[1])
    assert sorted(named["done"]) == sorted(job["id"] for job in _plan(run)["jobs"])
    assert (named["begun"], named["left"]) == ([], [])


@pytest.mark.slow
def test_plan_marks_what_is_cached(call: Any, undisturbed: Any) -> None:
    code, out, err = call("plan", "small", "--suite", undisturbed.suite, "--store", undisturbed.store)

    assert (code, err) == (0, "")
    listed, _, rest = out.partition("\n\n")
    jobs, counts = listed.splitlines(), rest.splitlines()[0]
    assert {line.split()[0] for line in jobs} == {"cached"}
    counted = f"{len(jobs)} jobs for 12 results; {len(jobs)} cached, 0 to do"
    assert counts == f"{counted}; 3 results take a job that another has too"


@pytest.mark.slow
def test_report_writes_the_same_files_again_and_prints_the_same_tables(
    call: Any, run: Path, undisturbed: Any
) -> None:
    for path in (run / "rows.csv", run / "report.md"):
        path.unlink()

    code, out, _ = call("report", run)

    assert code == 0
    assert out.partition("\nThe whole report")[0] == undisturbed.said.out.partition("\nThe whole report")[0]
    for name in ("rows.csv", "report.md"):
        assert (run / name).read_bytes() == (undisturbed.folder / name).read_bytes(), name


@pytest.fixture
def replay(undisturbed: Any, run: Path, tmp_path: Path) -> Path:
    """The folder of replay's last stage, in a store that the copied run has for itself."""
    store = Path(shutil.copytree(undisturbed.store, tmp_path / "store"))
    plan = _plan(run)
    (run / "plan.json").write_text(json.dumps({**plan, "store": str(store), "sha256": ""}))
    use = next(use for use in plan["uses"] if (use["baseline"], use["stage"]) == ("replay", 3))
    return store / "jobs" / str(use["job"])


@pytest.mark.slow
def test_status_and_plan_look_whether_a_result_is_there_and_leave_its_bytes_to_a_run(
    call: Any, undisturbed: Any, run: Path, replay: Path
) -> None:
    store = replay.parent.parent
    planning = ("plan", "small", "--suite", undisturbed.suite, "--store", store)
    (replay / "model" / "fold_0" / "checkpoint_final.pth").write_bytes(b"damaged")
    next(store.glob("jobs/prepare-*/plans.json")).write_bytes(b"damaged")

    assert call("status", run)[:2] == (0, "10 of 10 jobs done\n")
    assert "10 cached, 0 to do" in call(*planning)[1]

    (replay / "result.json").unlink()

    assert call("status", run)[1].startswith("9 of 10 jobs done\n")
    assert "9 cached, 1 to do" in call(*planning)[1]


@pytest.mark.slow
def test_report_shows_a_damaged_result_as_a_hole_with_its_reason(call: Any, run: Path, replay: Path) -> None:
    result = replay / "result.json"
    result.write_text(result.read_text().replace("mini-liver", "mini-lover"))

    code, out, _ = call("report", run)

    assert code == 0
    reason = next(line for line in out.splitlines() if line.startswith("continual ") and "replay" in line)
    assert reason.split()[3:5] == ["3", "mini-kidney"]
    assert f"damaged: {result}: its content does not have the checksum it was sealed with" in reason
    final = next(line for line in out.splitlines() if line.startswith("replay "))
    assert final.split()[1:] == ["–"] * 6


@pytest.mark.slow
def test_export_writes_a_model_folder_and_the_command_that_predicts_with_it(
    call: Any, run: Path, tmp_path: Path
) -> None:
    code, out, _ = call("export", run, "stage3-mini-kidney-ewc", "model")

    assert code == 0
    assert out.splitlines() == [
        "ewc · stage 3 · mini-kidney · seed 0, head of mini-kidney -> model",
        "nnUNetv2_predict_from_modelfolder -i IMAGES -o OUTPUT -m model -f 0",
    ]
    files = sorted(str(path.relative_to(tmp_path / "model")) for path in (tmp_path / "model").rglob("*.*"))
    assert files == ["dataset.json", "fold_0/checkpoint_final.pth", "plans.json"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["stage9", "model"], 4, "0 stages begin with 'stage9'; there are\n  stage1-mini-liver-"),
        (["stage3", "model"], 4, "3 stages begin with 'stage3'; there are\n  stage3-mini-kidney-finetune-"),
        (["prepare", "model"], 4, "0 stages begin with 'prepare'"),
        (["stage3-mini-kidney-ewc", "."], 2, ". is not empty; name a new folder"),
        (
            ["stage3-mini-kidney-ewc", "model", "--head", "mini-lung"],
            2,
            "it has mini-kidney, mini-liver, mini-spleen",
        ),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(
    call: Any, run: Path, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    found, out, err = call("export", run, *words)

    assert (found, out) == (code, "")
    assert said in err
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_a_damaged_stage_is_not_exported_and_what_mends_it_is_said(
    call: Any, run: Path, replay: Path, tmp_path: Path
) -> None:
    file = replay / "model" / "fold_0" / "checkpoint_final.pth"
    file.write_bytes(file.read_bytes()[:-1] + b"?")

    code, out, err = call("export", run, replay.name, "model")

    assert (code, out) == (4, "")
    assert err.startswith(f"error: {file}: has other bytes than were written")
    assert "`clbench run` trains replay · stage 3 · mini-kidney · seed 0 again" in err
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_a_job_that_is_done_is_not_done_again(program: Any, run: Path, undisturbed: Any) -> None:
    job = next(job["id"] for job in _plan(run)["jobs"] if job["kind"] == "stage")
    log = undisturbed.store / "jobs" / job / "log.txt"
    before = log.read_bytes()

    said = program("job", run / "plan.json", job)

    assert said.code == 0, said.err
    assert log.read_bytes() == before


@pytest.mark.slow
def test_a_job_that_the_plan_does_not_have_is_refused(call: Any, run: Path) -> None:
    code, _, err = call("job", run / "plan.json", "stage9")

    assert code == 2
    assert f"{run / 'plan.json'} has no job 'stage9'" in err


@pytest.mark.parametrize("words", [["status", "run"], ["report", "run"], ["export", "run", "stage1", "model"]])
def test_without_a_run_its_folder_is_named_with_the_command_that_makes_it(call: Any, words: list[str]) -> None:
    code, out, err = call(*words)

    assert (code, out) == (4, "")
    assert "run/plan.json" in err
    assert "`clbench run`" in err


@pytest.mark.parametrize("text", ["", '{"jobs": [', '{"jobs": 1}'])
@pytest.mark.parametrize("words", [["status", "run"], ["report", "run"], ["job", "run/plan.json", "stage1"]])
def test_a_plan_that_is_none_is_named_with_what_to_do(call: Any, tmp_path: Path, words: list[str], text: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "plan.json").write_text(text)

    code, out, err = call(*words)

    assert (code, out) == (4, "")
    assert err == "error: run/plan.json is no plan of this version of clbench; `clbench run` writes it anew\n"
