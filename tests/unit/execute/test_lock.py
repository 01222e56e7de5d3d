"""One run per folder, in real processes; and folders that cannot be written."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clbench.disk import writing_to
from clbench.errors import MissingEnvironment
from clbench.execute.lock import HOLDER, LOCK, hold

HOLD_UNTIL_INPUT_ENDS = """
import sys
from pathlib import Path
from clbench.execute.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def _another_holder(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", HOLD_UNTIL_INPUT_ENDS, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds ``tmp_path / "run"``."""
    with _another_holder(tmp_path / "run") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_the_second_run_on_a_folder_names_the_first_and_goes_on_when_it_ends(
    tmp_path: Path, holder: subprocess.Popen[bytes], eventually: Any
) -> None:
    with _another_holder(tmp_path / "run") as second:
        assert second.stdin is not None
        assert second.stdout is not None
        assert second.stderr is not None
        said = second.stderr.readline().decode()
        assert said.startswith(f"{tmp_path / 'run'} is in use by process {holder.pid} on ")
        assert said.endswith("waiting until it ends\n")

        holder.communicate(b"")

        assert second.stdout.readline() == b"held\n"
        assert json.loads((tmp_path / "run" / HOLDER).read_text())["pid"] == second.pid
        second.stdin.close()
    assert second.returncode == 0
    assert not (tmp_path / "run" / HOLDER).exists()


def test_whoever_does_not_want_to_wait_is_told_who_holds_the_folder(
    tmp_path: Path, holder: subprocess.Popen[bytes]
) -> None:
    with pytest.raises(MissingEnvironment, match=f"in use by process {holder.pid} on "):
        hold(tmp_path / "run", wait=False).__enter__()


def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.wait()
    said = io.StringIO()

    with hold(tmp_path / "run", console=Console(file=said)):
        assert json.loads((tmp_path / "run" / HOLDER).read_text())["pid"] == os.getpid()

    assert said.getvalue() == ""


def test_a_holder_without_a_name_still_holds(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    (tmp_path / "run" / HOLDER).write_text('{"pid": ')

    with pytest.raises(MissingEnvironment, match="in use by another process"):
        hold(tmp_path / "run", wait=False).__enter__()


def test_an_error_inside_frees_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), hold(tmp_path):
        _ = 1 / 0

    with hold(tmp_path, wait=False):
        assert (tmp_path / LOCK).exists()


def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "run"

    with pytest.raises(MissingEnvironment, match="choose another folder") as error:
        hold(folder).__enter__()

    assert str(error.value).startswith(f"{folder}: cannot write: ")


def test_a_folder_without_permission_is_named_with_what_to_do(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(MissingEnvironment, match=r"no permission .* Nothing is lost"):
            hold(tmp_path / "run").__enter__()
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_said_in_words() -> None:
    with (
        pytest.raises(MissingEnvironment, match="the disk is full; free some space"),
        writing_to(Path("/some/run")),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")


def test_an_error_that_is_not_the_disks_passes_unchanged() -> None:
    with pytest.raises(OSError, match="read") as error, writing_to(Path("/some/run")):
        raise OSError(errno.EIO, "could not read")

    assert not isinstance(error.value, MissingEnvironment)
