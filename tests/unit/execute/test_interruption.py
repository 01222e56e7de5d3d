"""Runs that are stopped, politely or not, in real processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks for processes in /proc")


def _long(scene: Any) -> None:
    scene.add("short")
    scene.add("long", "short", sleep=600, helper=scene.marker)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stop_signal_leaves_no_process_behind_and_says_how_to_go_on(
    scene: Any, eventually: Any, number: int, code: int
) -> None:
    _long(scene)
    program = scene.drive()
    assert eventually(lambda: "long" in scene.starts)

    program.send_signal(number)
    said = program.communicate(timeout=60)[0].decode()

    assert program.returncode == code
    assert scene.processes() == []
    assert "the same command goes on from here" in said
    assert "failed" not in said


def test_a_program_that_is_killed_alone_takes_along_all_it_started(scene: Any, eventually: Any) -> None:
    scene.add("long", sleep=600)
    program = scene.drive()
    assert eventually(lambda: scene.starts == ["long"])
    assert len(scene.processes()) >= 4, "program, engine, client, server, job"

    program.kill()
    program.wait()

    assert eventually(lambda: scene.processes() == []), scene.processes()


def test_a_run_whose_process_group_was_killed_completes_when_started_again(scene: Any, eventually: Any) -> None:
    for number in range(4):
        scene.add(f"a{number}", *([f"a{number - 1}"] if number else []), sleep=0.2)
        scene.add(f"b{number}", *([f"b{number - 1}"] if number else []), sleep=0.2)
    for begun in (1, 3, 6):
        program = scene.drive()
        assert eventually(lambda begun=begun: len(scene.starts) >= begun)
        os.killpg(program.pid, signal.SIGKILL)
        program.communicate()

    program = scene.drive()
    said = program.communicate(timeout=60)[0].decode()

    assert program.returncode == 0, said
    assert all(scene.result(job) for job in scene.jobs)
    assert len(scene.starts) <= len(scene.jobs) + 3 * 2, "only what was at work is done again"


def test_a_run_killed_while_the_server_still_imports_leaves_nothing(scene: Any, eventually: Any) -> None:
    scene.add("a", sleep=600)
    program = scene.drive()
    assert eventually(lambda: any("execute.server" in line for line in scene.processes()))

    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=60)

    assert scene.processes() == []


def test_temporary_files_of_runs_that_were_killed_do_not_pile_up(
    scene: Any, eventually: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "t"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    scene.add("long", sleep=600)
    for attempt in (1, 2, 3):
        program = scene.drive()
        assert eventually(lambda attempt=attempt: len(scene.starts) == attempt)
        os.killpg(program.pid, signal.SIGKILL)
        program.communicate()

    assert [path.name for path in temporary.iterdir() if path.name.startswith("snakemake")] == []
    assert len(list(temporary.iterdir())) == 1, "the last one's socket, which the next run deletes"
