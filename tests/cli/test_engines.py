"""``--engine``, ``--profile`` and ``--gpus``: what is refused before anything runs, and with which words.

Slurm itself is in tests/slurm; here small scripts stand in for its commands, and only what is asked of them counts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clbench.definitions.cluster import SlurmProfile
from clbench.execute.slurm import PLUGIN, Slurm, slurm
from clbench.plan import Plan
from clbench.run import Places

Call = Callable[..., tuple[int, str, str]]
ACCOUNTED = "AccountingStorageType   = accounting_storage/slurmdbd\nMinJobAge               = 300 sec\n"
UNACCOUNTED = "AccountingStorageType   = (null)\nMinJobAge               = 15 sec\n"


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has sbatch and the plugin; the file says what its controller answers."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("sbatch", "scontrol"):
        (commands / name).write_text(f"#!/bin/sh\ncat {tmp_path}/answer || exit 1\n")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(commands), prepend=":")
    (tmp_path / f"{PLUGIN}.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "answer").write_text(ACCOUNTED)
    return tmp_path / "answer"


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Of the smallest benchmark."""
    return Places().plan("ci")


def test_without_sbatch_it_is_said_where_to_start_from(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    code, _, err = call("run", "ci", "--engine", "slurm")

    assert code == 4
    assert "there is no sbatch here; start this on a machine that jobs are submitted from" in err


def test_without_the_plugin_it_is_said_how_to_install_it(
    call: Call, answer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, PLUGIN, None)

    code, _, err = call("reproduce", "ci", "--engine", "slurm")

    assert code == 4
    assert "pip install 'clbench[slurm]'" in err


def test_a_controller_that_does_not_answer_is_no_crash(call: Call, answer: Path) -> None:
    answer.unlink()

    code, _, err = call("run", "ci", "--engine", "slurm")

    assert code == 4
    assert "Slurm does not answer: `scontrol show config` says:" in err


def test_everything_wrong_in_a_profile_is_named_with_its_line(call: Call) -> None:
    Path("p.yaml").write_text("partitoin: gpu\nstage: {gpus: 1.5}\nextra:\n  - --mem=3G\n  - nice\n")

    code, _, err = call("run", "ci", "--engine", "slurm", "--profile", "p.yaml")

    assert code == 2
    assert "p.yaml:1: partitoin: unknown key; did you mean 'partition'?" in err
    assert "p.yaml:2: stage.gpus: must be a valid integer, not 1.5" in err
    assert "p.yaml:4: extra[0]: --mem is set by the key 'memory_gb'; leave it out here" in err
    assert "p.yaml:5: extra[1]: 'nice' is no option in one word, such as --mail-type=FAIL" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--profile", "p.yaml"), 2, "--profile goes with --engine slurm"),
        (("--engine", "slurm", "--gpus", "0"), 2, "`gpus:` in the profile says how many"),
        (("--engine", "slurm", "--profile", "none.yaml"), 2, "none.yaml: can't be read"),
        (("--gpus", "0,0"), 2, "names a GPU twice"),
        (("--engine", "slurm", "--time-limit", "9"), 2, "on Slurm, `hours:` in the profile says how long"),
        (("--time-limit", "0"), 2, "0 is not in the range 1<=x<=35791394"),
        (("--time-limit", "-5"), 2, "-5 is not in the range"),
        (("--time-limit", "1.5"), 2, "'1.5' is not a valid integer"),
        (("--time-limit", "35791395"), 2, "35791395 is not in the range"),
        (("--time-limit", "2h"), 2, "'2h' is not a valid integer"),
        (("--gpus", "0"), 4, "--gpus 0: no GPU here that torch could use"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    call: Call, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, message: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    ended, _, err = call("run", "ci", *words)

    assert (ended, message in err) == (code, True), err


def test_where_there_is_no_accounting_squeue_is_asked_as_often_as_it_remembers(answer: Path) -> None:
    assert (slurm(None, None).status, slurm(None, None).poll) == ("sacct", 20)
    answer.write_text(UNACCOUNTED)
    assert (slurm(None, None).status, slurm(None, None).poll) == ("squeue", 5)


def test_a_job_asks_for_what_the_profile_says_of_its_kind(plan: Plan) -> None:
    written = {
        "partition": "gpu", "account": "us", "stage": {"cores": 8, "memory_gb": 24, "gpus": 1, "hours": 2},
        "prepare": {"partition": "cpu"}, "extra": ["--mail-type=FAIL"], "stop_seconds": 300,
    }  # fmt: skip

    needs = Slurm(SlurmProfile.model_validate(written)).needs(plan)

    stage = needs[plan.jobs[-1].id]
    assert (stage.threads, stage.environment) == (8, {})
    assert stage.resources == {
        "slurm_partition": "gpu", "slurm_account": "us", "mem_mb": 24000, "runtime": 120, "gpu": 1,
        "slurm_extra": "--signal=USR1@300 --mail-type=FAIL",
    }  # fmt: skip
    prepare = needs[plan.preparation.id].resources
    assert (prepare["slurm_partition"], prepare["gpu"]) == ("cpu", 0)
    assert {frozenset(needs[job.id].resources) for job in plan.jobs} == {frozenset(stage.resources)}


def test_a_time_limit_follows_the_estimate_between_ten_minutes_and_the_longest_allowed(plan: Plan) -> None:
    def minutes(seconds: float, **written: float) -> object:
        job = plan.jobs[-1].model_copy(update={"seconds": seconds})
        needs = Slurm(SlurmProfile.model_validate(written)).needs(plan.model_copy(update={"jobs": (job,)}))
        return needs[job.id].resources["runtime"]

    assert minutes(3600) == 180
    assert minutes(3600, time_factor=2) == 120
    assert minutes(5) == 10
    assert minutes(100 * 3600, longest_hours=12) == 720


def test_the_job_command_is_clbench_job_in_a_container_if_there_is_one(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    contained = SlurmProfile(container="apptainer exec --nv --bind '/a b' our.sif")

    assert Slurm(SlurmProfile()).command(plan, "clbench.job") == [sys.executable, "-m", "clbench", "job", str(plan)]
    assert Slurm(contained).command(plan, "clbench.job") == [
        "apptainer", "exec", "--nv", "--bind", "/a b", "our.sif", "clbench", "job", str(plan),
    ]  # fmt: skip


def test_a_node_is_told_of_native_arithmetic_even_where_no_variable_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLBENCH_ARITHMETIC", "native")
    command = Slurm(SlurmProfile(container="docker run image")).command(tmp_path / "plan.json", "clbench.job")
    assert command[:6] == ["docker", "run", "image", "env", "CLBENCH_ARITHMETIC=native", "clbench"]
