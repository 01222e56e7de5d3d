"""The warm server and its clients, as real processes."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clbench.cores import available_cores
from clbench.execute.backends import Local
from clbench.execute.warm import warm_server


@pytest.fixture
def warm(scene: Any, monkeypatch: Any) -> Iterator[str]:
    """A warm server that has loaded the stand-in."""
    with warm_server("stand_in", scene.root / "server.txt") as path:
        assert path is not None
        monkeypatch.setenv("CLBENCH_WARM", path)
        yield path


def _start(scene: Any, job: str) -> subprocess.Popen[bytes]:
    assert scene.plan
    command = [*Local().command(scene.plan_path, "stand_in"), job]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _do(scene: Any, job: str) -> subprocess.Popen[bytes]:
    client = _start(scene, job)
    client.communicate(timeout=60)
    return client


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_jobs_run_in_children_of_a_server_that_loaded_the_module_once(scene: Any, warm: str) -> None:
    scene.add("a")
    scene.add("b")

    assert [_do(scene, job).returncode for job in "ab"] == [0, 0]

    a, b = scene.result("a"), scene.result("b")
    assert a["loaded"] == b["loaded"] == [a["parent"]]
    assert len({a["pid"], b["pid"], a["parent"]}) == 3


@pytest.mark.parametrize(
    ("spec", "code"),
    [({}, 0), ({"code": 5}, 5), ({"error": "no"}, 1), ({"signal": int(signal.SIGKILL)}, 137)],
)
@pytest.mark.parametrize("served", [True, False])
def test_a_client_ends_with_its_jobs_exit_code(
    scene: Any, request: Any, served: bool, spec: dict[str, Any], code: int
) -> None:
    if served:
        request.getfixturevalue("warm")
    scene.add("a", **spec)

    returned = _do(scene, "a").returncode

    assert returned == code or (not served and code == 137 and returned == -signal.SIGKILL)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be hidden on this system")
def test_libraries_see_one_core_while_they_load_and_jobs_see_all(scene: Any, warm: str) -> None:
    scene.add("a")

    _do(scene, "a")

    assert scene.result("a")["cores"] == [1, available_cores()]


def test_a_killed_client_takes_its_job_and_the_jobs_helpers_with_it(scene: Any, warm: str, eventually: Any) -> None:
    scene.add("a", sleep=600, helper=scene.marker)
    client = _start(scene, "a")
    assert eventually(lambda: scene.starts == ["a"])
    job = int(scene.store.job("a").path.joinpath("pid.txt").read_text())

    client.kill()
    client.communicate()

    assert eventually(lambda: not _alive(job))
    assert eventually(lambda: not any("sleep(600)" in line for line in scene.processes()))


def test_a_client_without_a_server_becomes_the_job(scene: Any) -> None:
    scene.add("a")

    client = _do(scene, "a")

    assert client.returncode == 0
    assert scene.result("a")["pid"] == client.pid
    assert scene.result("a")["environment"]["OMP_NUM_THREADS"] == "1"


def test_a_client_whose_server_is_gone_becomes_the_job(scene: Any, warm: str) -> None:
    scene.add("first")
    scene.add("second")
    _do(scene, "first")
    os.kill(scene.result("first")["parent"], signal.SIGKILL)

    client = _do(scene, "second")

    assert client.returncode == 0
    assert scene.result("second")["pid"] == client.pid


def test_a_client_without_a_server_whose_engine_has_ended_does_nothing(scene: Any, monkeypatch: Any) -> None:
    scene.add("a")
    engine = subprocess.Popen(["true"])
    engine.wait()
    monkeypatch.setenv("CLBENCH_ENGINE", str(engine.pid))

    client = _do(scene, "a")

    assert client.returncode == 1
    assert scene.starts == []


def test_a_server_that_cannot_load_the_module_leaves_the_jobs_to_the_clients(scene: Any, monkeypatch: Any) -> None:
    scene.add("a")
    with warm_server("no_such_module", scene.root / "server.txt") as path:
        monkeypatch.setenv("CLBENCH_WARM", str(path))

        client = _do(scene, "a")

    assert scene.result("a")["pid"] == client.pid
    assert "no_such_module" in (scene.root / "server.txt").read_text()


def test_a_client_whose_server_dies_in_the_middle_of_the_job_fails(scene: Any, warm: str, eventually: Any) -> None:
    scene.add("a")
    scene.add("long", sleep=600)
    _do(scene, "a")
    client = _start(scene, "long")
    assert eventually(lambda: "long" in scene.starts)
    job = int(scene.store.job("long").path.joinpath("pid.txt").read_text())

    os.kill(scene.result("a")["parent"], signal.SIGKILL)
    said = client.communicate(timeout=60)[1].decode()

    assert client.returncode == 1
    assert said == "long: the server that ran the job ended before the job did\n"
    assert eventually(lambda: not _alive(job))


def test_nobody_else_can_talk_to_the_server(scene: Any, warm: str) -> None:
    assert stat.S_IMODE(os.stat(warm).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(warm)).st_mode) == 0o700


def test_a_server_ends_with_its_run_and_removes_its_socket(scene: Any, monkeypatch: Any) -> None:
    with warm_server("stand_in", scene.root / "server.txt") as path:
        assert path is not None
        assert any("execute.server" in line for line in scene.processes())

    assert not os.path.exists(path)
    assert scene.processes() == []


def test_a_temporary_folder_with_too_long_a_name_only_costs_the_warmth(scene: Any, monkeypatch: Any) -> None:
    deep = scene.root / ("x" * 120)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    scene.add("a")

    outcome, _ = scene.carry_out()

    assert outcome.finished == ("a",)
    assert scene.result("a")["loaded"] == []


def test_the_next_server_deletes_the_socket_of_a_run_that_was_killed_and_no_other(
    scene: Any, warm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead, alive = tmp_path / "clbench-dead", tmp_path / "clbench-alive"
    for folder in (dead, alive):
        folder.mkdir()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "warm"))
    (alive / "warm").unlink()
    (alive / "warm").symlink_to(warm)

    with warm_server("stand_in", scene.root / "server.txt"):
        pass

    assert not dead.exists()
    assert [path.name for path in tmp_path.glob("clbench-*")] == ["clbench-alive"]
