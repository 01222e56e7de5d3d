"""``clbench container`` and plain docker: the same rows as on the host, stopped in order, refused in words."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from container.private_engine import BASE

pytestmark = pytest.mark.container
STRANGER = "4321:4321"
SHUT = ("--network", "none", "--read-only", "--tmpfs", "/tmp:exec", "--user", STRANGER)


def _until(claim: Callable[[], bool], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def _done(results: Path) -> int:
    return len(list(results.glob("store/jobs/*/result.json")))


def test_doctor_finds_nothing_wrong_without_network_and_on_a_read_only_file_system(engine: Any) -> None:
    said = engine.docker("run", "--rm", *SHUT, "clbench", "doctor").stdout

    assert "FAIL" not in said
    assert "/results/store can be written" in said


def test_a_run_that_was_stopped_and_whose_engine_was_killed_ends_with_the_rows_of_the_host(
    engine: Any, host: Any, measured: dict[str, str]
) -> None:
    """Stopped under plain docker, then under ``clbench container run``, killed there; the fourth comes to the end."""
    results = engine.results
    shut = (*SHUT, "-v", f"{results}:/results")
    name = engine.docker("run", "--detach", *shut, "clbench", "run", "ci").stdout.strip()
    _until(lambda: _done(results) >= 1)
    start = time.monotonic()
    engine.docker("stop", "--time", 10, name)
    measured["docker stop in the middle of a run"] = f"{time.monotonic() - start:.1f} s"
    assert engine.docker("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip() == "143"
    engine.docker("rm", "--volumes", name)

    before = _done(results)
    ours = ("run", "--results", results, "--user", STRANGER)
    program = engine.start(*ours, "run", "ci")
    _until(lambda: _done(results) > before or program.poll() is not None)
    program.send_signal(signal.SIGTERM)
    out, err = program.communicate(timeout=30)
    assert program.returncode == 143, out + err
    assert "nothing is lost: the same command goes on from here" in out
    assert engine.containers == []

    before = _done(results)
    program = engine.start(*ours, "run", "ci")
    _until(lambda: _done(results) > before or program.poll() is not None)
    engine.daemon.crash()
    out, err = program.communicate(timeout=30)
    assert program.returncode == 4, out + err
    assert "the container engine went away" in err
    assert "the same command goes on from here" in err
    engine.daemon.start()
    engine.docker("rm", "--force", "--volumes", *engine.containers)

    code, out, err = engine.clbench(*ours, "reproduce", "ci")

    assert code == 0, out + err
    assert "of 15 jobs to do" in out, "progress is passed on"
    assert host.wait(900) == 0, (engine.folder / "host.log").read_text()
    rows = [folder / "rows.csv" for folder in (results / "reports/ci", engine.folder / "host-run")]
    assert rows[0].read_bytes() == rows[1].read_bytes()
    assert {(file.stat().st_uid, file.stat().st_gid) for file in results.rglob("*")} == {(4321, 4321)}
    report = (results / "reports/ci/report.md").read_text()
    assert f"container.image: {engine.inspect()['Id']}" in report
    assert "container.digest: none: built here" in report
    assert engine.containers == []


def test_ctrl_c_is_passed_on_and_the_container_is_gone(engine: Any) -> None:
    results = engine.results
    program = engine.start("run", "--results", results, "--user", STRANGER, "run", "ci")
    _until(lambda: (results / "reports/ci/engine.log").exists())
    program.send_signal(signal.SIGINT)

    assert program.wait(30) == 130
    assert engine.containers == []


def test_the_exit_code_and_the_errors_of_the_command_come_through(engine: Any) -> None:
    code, out, _ = engine.clbench("run", "--results", engine.results, "--user", STRANGER, "run", "no-such")

    assert code == 2
    assert "no-such" in out


def test_a_gpu_where_there_is_none_is_refused_in_words_and_leaves_nothing_behind(engine: Any) -> None:
    code, _, err = engine.clbench(
        "run", "--gpus", "all", "--results", engine.results, "--user", STRANGER, "doctor"
    )  # fmt: skip

    assert code == 4
    assert "can't give a container GPUs" in err
    assert "install the NVIDIA Container Toolkit" in err
    assert engine.containers == []


def test_roots_shell_is_the_images_user_with_limits_and_data_that_is_read_only(engine: Any) -> None:
    data = engine.results
    data.chmod(0o777)
    words = ("shell", "--results", "roots", "--data", data, "--memory", "512m", "--cpus", "1.5", "--shm", "64m")
    with _terminal(engine, *words) as (program, screen):
        said = _read(screen, lambda said: said.endswith("$ "))
        limits = json.loads(engine.docker("inspect", *engine.containers).stdout)[0]["HostConfig"]
        os.write(screen, b"id -u; touch /data/x; exit 7\n")
        said += _read(screen, lambda _: False)

    assert program.wait(60) == 7, said
    assert "1000\r\n" in said
    assert "Read-only file system" in said
    assert (limits["Memory"], limits["NanoCpus"], limits["ShmSize"]) == (512 << 20, 1_500_000_000, 64 << 20)
    assert engine.containers == []


@contextmanager
def _terminal(engine: Any, *words: object) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """``clbench container`` in a terminal of its own; gives the program and the other end."""
    screen, keyboard = pty.openpty()
    command = [sys.executable, "-m", "clbench", "container", *map(str, words)]
    program = subprocess.Popen(
        command, env=engine.environment, cwd=engine.folder, stdin=keyboard, stdout=keyboard, stderr=keyboard
    )
    os.close(keyboard)
    try:
        yield program, screen
    finally:
        os.close(screen)


def _read(screen: int, enough: Callable[[str], bool]) -> str:
    """What appears on a screen, until it is enough or the program has ended."""
    said = ""
    with suppress(OSError):  # the other end is closed
        while not enough(said) and (piece := os.read(screen, 65536)):
            said += piece.decode(errors="replace")
    return said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--image", "no/such:image"], "there is no image 'no/such:image'; make it with `clbench container build`"),
        (["--data", "/no/such"], "/no/such: there is no such data folder"),
        (["--gpus", "two"], "--gpus two: say none, all, a number"),
        (["--user", "99:99", "--results", "."], "the container's user 99:99 may not write there"),
        (["--network", "no-such"], "the engine refused to run clbench"),
        (["--shm", "8x"], "the engine refused to run clbench: The specified value for memory (8x)"),
    ],
)
def test_what_is_missing_is_named(engine: Any, words: list[str], said: str) -> None:
    code, _, err = engine.clbench("run", *words, "list")

    assert code == 4
    assert said in err
    assert engine.containers == []


def test_an_engine_that_may_not_be_asked_is_told_from_one_that_is_not_there(bare_engine: Any) -> None:
    socket = Path(bare_engine.address.removeprefix("unix://"))
    os.chown(socket, 4321, 4321)
    try:
        code, _, err = bare_engine.clbench("run", "list", before=("setpriv", "--bounding-set", "-dac_override"))
    finally:
        os.chown(socket, 0, 0)
    assert (code, "no permission to ask the container engine; join the group" in err) == (4, True), err

    code, _, err = replace(bare_engine, address="unix:///no/such.sock").clbench("run", "list")
    assert (code, "no container engine answers; install and start Docker" in err) == (4, True), err


def test_a_build_passes_its_output_on_and_says_which_step_failed(bare_engine: Any) -> None:
    toy = bare_engine.folder / "toy"
    toy.mkdir()
    words = ("build", "--source", toy, "--image", "toy", "--base-image", BASE)
    code, _, err = bare_engine.clbench(*words)
    assert (code, f"{toy}: no Dockerfile in it" in err) == (4, True)

    (toy / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG REVISION\nRUN echo at $REVISION\n")
    code, out, err = bare_engine.clbench(*words)
    assert code == 0, err
    assert "at unknown" not in out
    assert f"toy: {bare_engine.inspect('toy')['Id']}" in out

    (toy / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo broken && false\n")
    code, out, err = bare_engine.clbench(*words)
    assert code == 4
    assert "broken" in out
    assert "the image was not built" in err
