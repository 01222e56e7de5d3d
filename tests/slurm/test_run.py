"""``clbench run --engine slurm`` on a real scheduler: interrupted, refused, and the same rows in the end."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from slurm.conftest import until

pytestmark = pytest.mark.slurm
LIVER, SPLEEN = "stage1-mini-liver", "stage1-mini-spleen"
LONG = ("long", "--suite", str(Path(__file__).with_name("suite")))


@pytest.fixture(scope="module")
def broken_off(cluster: Any) -> str:
    """What a run says in which one job was asked to stop, as before its time is up, and another was killed."""
    program = cluster.start("run")
    until(lambda: "epoch 1/" in cluster.log("run", LIVER) and "epoch 1/" in cluster.log("run", SPLEEN))
    subprocess.run(["scancel", "--signal=USR1", *cluster.numbers(LIVER)], check=True)
    subprocess.run(["pkill", "-KILL", "-f", f"^[^ ]*python[^ ]* -m clbench job .*{SPLEEN}"], check=True)
    said = str(program.communicate()[0])
    assert program.returncode == 3, said
    return said


def test_why_a_job_ended_is_said_as_it_is_of_a_local_one(broken_off: str) -> None:
    assert "stopped at epoch" in broken_off
    assert "the job's process died of SIGKILL" in broken_off
    assert "2 failed, 10 not tried because they need what failed; the same command tries again" in broken_off


def test_the_same_command_goes_on_from_the_checkpoints_and_ends_with_the_rows_of_a_local_run(
    cluster: Any, broken_off: str, local_rows: bytes, measured: dict[str, str]
) -> None:
    start = time.monotonic()
    program = cluster.start("run")
    said = program.communicate()[0]

    assert program.returncode == 0, said
    assert said.startswith("12 of 15 jobs to do, 3 cached, on Slurm (main)")
    assert "resuming after epoch" in cluster.log("run", LIVER)
    assert (cluster.folder / "run/rows.csv").read_bytes() == local_rows
    measured["the rest of ci on Slurm"] = f"{time.monotonic() - start:.0f} s"


def test_each_stage_sees_one_gpu_and_the_preparation_none(cluster: Any, broken_off: str) -> None:
    seen = [line.split() for line in (cluster.folder / "seen.txt").read_text().splitlines()]

    assert {words[0].split("-")[0]: len(words) - 1 for words in seen} == {"prepare": 0} | dict.fromkeys(
        {words[0].split("-")[0] for words in seen} - {"prepare"}, 1
    )
    assert {words[1] for words in seen if len(words) > 1} <= {"0", "1"}


def test_a_job_whose_walltime_is_up_stops_at_a_checkpoint_and_goes_on_from_it(cluster: Any) -> None:
    """Two minutes are the shortest limit that Slurm, which counts in minutes, warns of in time."""
    profile = (cluster.folder / "profile.yaml").read_text().replace("gpus: 1}", "gpus: 1, hours: 0.03}")
    (cluster.folder / "short.yaml").write_text(f"{profile}stop_seconds: 30\n")

    program = cluster.start("long", *LONG, profile="short.yaml")
    said = str(program.communicate()[0])
    assert program.returncode == 3, said
    stopped = re.search(r"stopped at epoch (\d+)", said)
    assert stopped, said

    program = cluster.start("long", *LONG, profile="short.yaml")
    until(lambda: f"resuming after epoch {stopped[1]}" in cluster.log("long", LIVER))
    program.send_signal(signal.SIGINT)
    program.communicate(timeout=60)


def test_a_stopped_run_cancels_its_jobs_and_a_new_one_those_of_a_killed_one(cluster: Any) -> None:
    killed = cluster.start("stopped")
    until(lambda: cluster.numbers("prepare"))
    left = cluster.numbers("prepare")
    killed.kill()
    killed.communicate()
    assert cluster.numbers("prepare") == left, "nobody was there to cancel it"

    program = cluster.start("stopped")
    until(lambda: (found := cluster.numbers("prepare")) and found != left)
    program.send_signal(signal.SIGINT)
    said = program.communicate(timeout=60)[0]

    assert program.returncode == 130, said
    assert "the same command goes on from here" in said
    until(lambda: not cluster.queue, 60)


def test_what_slurm_refuses_is_told_in_its_own_words(cluster: Any) -> None:
    (cluster.folder / "wrong.yaml").write_text("partition: nowhere\n")

    program = cluster.start("refused", profile="wrong.yaml")
    said = program.communicate()[0]

    assert program.returncode == 3, said
    assert "invalid partition specified: nowhere" in said
    assert "Traceback" not in said
