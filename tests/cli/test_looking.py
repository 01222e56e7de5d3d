"""list, show, validate, doctor, plan: commands that look and change nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from clbench.definitions.catalogue import Catalogue


def _suite(folder: Path, **files: str) -> Path:
    """A suite; ``benchmark__x`` is ``benchmark/x.yaml``."""
    for name, text in files.items():
        kind, _, stem = name.partition("__")
        path = folder / "suite" / kind / f"{stem.replace('_', '-')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "suite"


def test_list_names_everything_that_is_shipped_with_its_title(call: Any) -> None:
    code, out, _ = call("list")

    assert code == 0
    catalogue = Catalogue.open()
    for kind in ("benchmark", "task", "baseline", "method"):
        section = out.partition(f"{kind}s\n")[2]
        for name in catalogue.names(kind):
            line = next(line for line in section.splitlines() if line.split()[:1] == [name])
            assert len(line.split()) > 2, f"{name} has no title"
    assert catalogue.task("mini-liver").title in out


def test_list_as_json_has_the_names_by_kind(call: Any) -> None:
    names = json.loads(call("list", "--json")[1])

    catalogue = Catalogue.open()
    assert names == {kind: list(catalogue.names(kind)) for kind in ("benchmark", "task", "baseline", "method")}


def test_list_shows_a_users_suite_too_and_does_not_stumble_over_a_broken_file(call: Any, tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        baselines__weak="name: weak\nversion: 1\ntitle: A tenth\nmethod: l2\nsettings: {strength: 0.01}\n",
        benchmark__broken="name: broken\n",
    )

    code, out, _ = call("list", "--suite", suite)

    assert code == 0
    assert "  weak                    A tenth\n" in out
    assert "  broken                  (something is wrong with it; `clbench validate` says what)\n" in out


def test_show_prints_the_files_of_a_name_and_where_they_lie(call: Any) -> None:
    code, out, _ = call("show", "ewc")

    assert code == 0
    catalogue = Catalogue.open()
    for file in (catalogue.file("baseline", "ewc"), catalogue.method_file("ewc")):
        assert f"# {file}\n{file.read_text().rstrip()}\n" in out


def test_show_of_an_unknown_name_gives_the_nearest_of_any_kind(call: Any) -> None:
    code, _, err = call("show", "mini-livr")

    assert (code, err) == (2, "error: nothing is called 'mini-livr'; did you mean 'mini-liver'?\n")


def test_everything_that_is_shipped_is_valid(call: Any) -> None:
    code, out, err = call("validate")

    assert (code, err) == (0, "")
    assert int(out.split()[0]) == sum(len(names) for names in json.loads(call("list", "--json")[1]).values())


def test_validate_reports_the_problems_of_several_files_together(call: Any, tmp_path: Path) -> None:
    suite = _suite(
        tmp_path,
        baselines__strong="name: strong\nversion: 1\ntitle: Strong\nmethod: ewk\n",
        benchmark__twice="name: twice\nversion: 1\ntitle: t\nextends: ci\nsequence: [mini-liver, mini-liver]\n",
    )
    card, definition = suite / "baselines" / "strong.yaml", suite / "benchmark" / "twice.yaml"

    code, out, err = call("validate", card, definition, tmp_path / "none.yaml", "--suite", suite)

    assert (code, out) == (2, "")
    assert f"{card}:4: method: there is no method 'ewk'; did you mean 'ewc'?\n" in err
    assert f"{definition}:5: sequence[1]: 'mini-liver' is listed twice" in err
    assert f"{tmp_path / 'none.yaml'}: there is no such file" in err


def test_doctor_finds_nothing_wrong_with_a_good_machine(call: Any) -> None:
    code, out, _ = call("doctor")

    assert code == 0
    names = "packages machine arithmetic accelerator store results data anatomy definitions"
    assert [line.split()[:2] for line in out.splitlines()] == [["ok", name] for name in names.split()]


def test_doctor_as_json_has_the_same_checks(call: Any) -> None:
    checks = json.loads(call("doctor", "--json")[1])

    assert {check["check"] for check in checks if check["ok"]} >= {"packages", "store", "anatomy", "definitions"}


@pytest.mark.parametrize("store", ["/proc/nowhere", "a file", "a file/below"])
def test_doctor_says_that_the_store_cannot_be_written_and_ends_with_4(call: Any, tmp_path: Path, store: str) -> None:
    (tmp_path / "a file").write_text("")

    code, out, err = call("doctor", "--store", store)

    assert code == 4
    failed = [line for line in out.splitlines() if line.startswith("FAIL")]
    assert len(failed) == 1
    assert failed[0].startswith(f"FAIL  store        {store}: cannot ")
    assert "choose another folder" in failed[0]
    assert "FAIL" in err


def test_plan_counts_jobs_and_results_and_writes_nothing(call: Any, tmp_path: Path) -> None:
    code, out, _ = call("plan", "ci")

    assert code == 0
    # prepare, three trainings alone (the first is stage 1 of every sequence), joint, two stages of five baselines
    assert "\n15 jobs for 19 results; 0 cached, 15 to do; 5 results take a job that another has too\nabout " in out
    assert len(out.partition("\n\n")[0].splitlines()) == 15
    assert list(tmp_path.iterdir()) == []


def test_plan_as_json_shares_stage_one_with_from_scratch_training(call: Any) -> None:
    plan = json.loads(call("plan", "ci", "--json")[1])

    first = {use["job"] for use in plan["uses"] if use["stage"] == 1 and use["trained_on"] == "mini-liver"}
    users = [use["baseline"] for use in plan["uses"] if use["job"] in first]
    assert len(first) == 1
    assert sorted(users) == ["blip", "ewc", "finetune", "from-scratch", "lwf", "replay"]
    assert {job["id"] for job in plan["jobs"]} >= {use["job"] for use in plan["uses"]}
    assert not any(job["cached"] for job in plan["jobs"])


def test_a_plan_takes_a_definition_by_its_path(call: Any) -> None:
    file = Catalogue.open().benchmark_file("ci")

    assert call("plan", file)[1].replace(f"preflight {file}", "preflight ci") == call("plan", "ci")[1]


def test_seven_organs_is_planned_without_its_data_summed_up_by_baseline_with_costs_and_what_is_missing(
    call: Any, tmp_path: Path
) -> None:
    code, out, err = call("plan", "seven-organs")

    assert (code, err) == (0, "")
    table = {tuple(line.split()[:2]): line.split() for line in out.splitlines()}
    assert table["continual", "ewc"][2:6] == ["18", "15", "3", "0"], "results, jobs, shared, cached"
    assert table["transfer", "replay"][2:6] == ["12", "12", "0", "0"]
    assert sum(float(line[-1]) for line in table.values() if line[:1] == ["continual"]) > 30, "GPU hours"
    assert "of one GPU, and no sooner than" in out
    assert "a step takes 60.1 ms (an estimate: an A100" in out
    assert "memory a job: about 8 GB on the GPU" in out
    assert "\ndisk: about 1" in out
    catalogue = Catalogue.open()
    for task in ("msd-liver", "msd-lung", "msd-pancreas", "msd-spleen", "msd-colon", "kits21", "msd-hepaticvessel"):
        line = next(line for line in out.splitlines() if line.startswith(f"  {task}: "))
        assert getattr(catalogue.task(task).source, "licence", "no licence") in line
    assert "`clbench run` would end with exit code 4 at once" in out
    assert len(out.splitlines()) < 50
    assert list(tmp_path.iterdir()) == []


def test_every_job_of_a_large_plan_is_listed_when_it_is_asked_for(call: Any) -> None:
    jobs = json.loads(call("plan", "seven-organs", "--json")[1])["jobs"]

    listed = call("plan", "seven-organs", "--all")[1].partition("\n\n")[0].splitlines()

    assert [line.split(maxsplit=2)[2] for line in listed] == [job["title"] for job in jobs]
    assert all(job["cost"]["disk"] > 0 for job in jobs)


def test_a_gpu_whose_steps_can_not_be_timed_leaves_the_table_and_says_why(
    call: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    driver = tmp_path / "bin" / "nvidia-smi"
    driver.parent.mkdir()
    driver.write_text("#!/bin/sh\necho 'NVIDIA A100, 40960 MiB, 525.60.13'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{driver.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    code, out, err = call("plan", "seven-organs")

    assert code == 0
    assert err.startswith("no step could be timed: torch ")
    assert "an estimate: an A100" in out


def test_running_seven_organs_ends_with_4_at_once_and_names_each_dataset_its_address_and_licence(
    call: Any, tmp_path: Path
) -> None:
    code, out, err = call("run", "seven-organs")

    assert (code, out) == (4, "")
    catalogue = Catalogue.open()
    definition = catalogue.benchmark("seven-organs")
    assert definition.protocols.transfer
    for name in (*definition.sequence, *definition.protocols.transfer.targets):
        line = next(line for line in err.splitlines() if line.startswith(f"  {name}: "))
        source = catalogue.task(name).source
        address = source.homepage if source.kind == "kits21" else getattr(source, "url", "no address")
        assert address in line
        assert getattr(source, "licence", "no licence") in line
    assert "mini-organs" in err, "what can be run instead"
    assert list(tmp_path.iterdir()) == [], "nothing was begun"
