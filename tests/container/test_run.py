"""``clbench container`` and plain docker: the same rows as on the host, stopped in order, refused in words."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


def test_a_run_that_was_stopped_twice_ends_with_the_rows_of_the_host(
    engine: Any, host: Any, measured: dict[str, str]
) -> None:
    """Once under plain docker, once under ``clbench container run``; the third goes on to the end."""
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

    code, out, err = engine.clbench(*ours, "reproduce", "ci")

    assert code == 0, out + err
    assert f"{before + 1}/11" in out or "cached" in out, "progress is passed on"
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


def test_root_runs_it_as_the_images_user_with_limits_and_data_that_is_read_only(engine: Any) -> None:
    data = engine.results
    script = "id -u; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max; df -m /dev/shm | tail -1; touch /data/x"
    with _terminal() as (keyboard, screen):
        command = ("shell", "--results", engine.folder / "roots", "--data", data, "--memory", "512m",
                   "--cpus", "1.5", "--shm", "64m")  # fmt: skip
        program = _shell(engine, command, keyboard)
        os.write(screen, f"{script}; exit 7\n".encode())
        said = _all_of(screen, program)

    assert program.returncode == 7, said
    for word in ("1000", "536870912", "150000 100000", " 64 ", "Read-only file system"):
        assert word in said, said
    assert engine.containers == []


class _terminal:  # noqa: N801 a context manager, used as a function
    """The two ends of a pseudo-terminal."""

    def __enter__(self) -> tuple[int, int]:
        self.screen, self.keyboard = pty.openpty()
        return self.keyboard, self.screen

    def __exit__(self, *_: object) -> None:
        os.close(self.screen)


def _shell(engine: Any, words: tuple[object, ...], keyboard: int) -> subprocess.Popen[bytes]:
    import sys

    command = [sys.executable, "-m", "clbench", "container", *map(str, words)]
    program = subprocess.Popen(
        command, env=engine.environment, cwd=engine.folder, stdin=keyboard, stdout=keyboard, stderr=keyboard
    )
    os.close(keyboard)
    return program


def _all_of(screen: int, program: subprocess.Popen[bytes]) -> str:
    said = b""
    try:
        while piece := os.read(screen, 65536):
            said += piece
    except OSError:  # the other end is closed
        pass
    program.wait(60)
    return said.decode(errors="replace")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--image", "no/such:image"], "there is no image 'no/such:image'; make it with `clbench container build`"),
        (["--data", "/no/such"], "/no/such: there is no such data folder"),
        (["--gpus", "two"], "--gpus two: say none, all, a number"),
        (["--user", "99:99", "--results", "."], "the container's user 99:99 may not write there"),
        (["--network", "no-such"], "the engine refused to run clbench"),
    ],
)
def test_what_is_missing_is_named(engine: Any, words: list[str], said: str) -> None:
    code, _, err = engine.clbench("run", *words, "list")

    assert code == 4
    assert said in err
    assert engine.containers == []


def test_an_engine_that_may_not_be_asked_is_told_from_one_that_is_not_there(bare_engine: Any) -> None:
    from dataclasses import replace

    code, _, err = bare_engine.clbench("run", "list", user=65534, group=65534, extra_groups=[])
    assert (code, "no permission to ask the container engine; join the group" in err) == (4, True), err

    code, _, err = replace(bare_engine, address="unix:///no/such.sock").clbench("run", "list")
    assert (code, "no container engine answers; install and start Docker" in err) == (4, True), err


def test_a_build_passes_its_output_on_and_says_which_step_failed(bare_engine: Any) -> None:
    from container.private_engine import BASE

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
