"""Doctor names the folder, the disk or the shared memory that would break a run, each made so for real."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clbench.cli import doctor
from machine import clean_environment

STRANGER = 4321
AS_OTHERS = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
"""Root that obeys permissions."""


@pytest.fixture
def obedient(tmp_path: Path) -> Any:
    """Call ``clbench`` as a user whom folders of others refuse."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can give folders to others")

    def called(*words: object) -> tuple[int, str]:
        command = [*AS_OTHERS, sys.executable, "-m", "clbench", *map(str, words)]
        clean = clean_environment()
        done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True)
        return done.returncode, done.stdout

    return called


def _failed(out: str) -> list[str]:
    return [line for line in out.splitlines() if line.startswith("FAIL")]


def _foreign(folder: Path) -> Path:
    folder.mkdir(parents=True)
    os.chown(folder, STRANGER, STRANGER)
    folder.chmod(0o755)
    return folder


@pytest.mark.parametrize(("name", "words"), [("results", ()), ("store", ("--store", "mine"))])
def test_a_results_or_store_folder_of_somebody_else_is_named_with_its_owner(
    obedient: Any, tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    folder = _foreign(tmp_path / (words[1] if words else "reports"))

    code, out = obedient("doctor", *words)

    (failed,) = _failed(out)
    assert code == 4
    assert failed.startswith(f"FAIL  {name:12s} {folder.name}: cannot be written by this user (0)")
    assert f"it belongs to user {STRANGER}" in failed
    assert f"chown -R 0 {folder.name}" in failed


def test_what_an_earlier_run_of_another_user_left_in_the_results_folder_is_named(
    obedient: Any, tmp_path: Path
) -> None:
    _foreign(tmp_path / "reports" / "ci")

    code, out = obedient("doctor")

    (failed,) = _failed(out)
    assert code == 4
    assert failed.startswith("FAIL  results      reports/ci: cannot be written by this user (0)")


def test_a_volume_without_space_is_named_with_what_is_free(call: Any, disk: Path, monkeypatch: Any) -> None:
    with monkeypatch.context() as there:
        there.chdir(disk)
        code, out, _ = call("doctor", "--store", "store")

    assert code == 4
    assert [line.split()[1] for line in _failed(out)] == ["store", "results"]
    assert "FAIL  store        store has 0.0 GB free; the embedded benchmark needs 2.0 GB there" in out
    assert "FAIL  results      reports has 0.0 GB free; the embedded benchmark needs 0.1 GB there" in out


@pytest.mark.parametrize(("words", "variable"), [(("--data", "none"), ""), ((), "CLBENCH_DATA"), ((), "nnUNet_raw")])
def test_a_data_folder_that_was_named_and_is_not_there_is_named(
    call: Any, tmp_path: Path, monkeypatch: Any, words: tuple[str, ...], variable: str
) -> None:
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "none"))

    code, out, _ = call("doctor", *words)

    (failed,) = _failed(out)
    assert code == 4
    assert failed.startswith(f"FAIL  data         there is no data folder {tmp_path / 'none'}")


def test_a_data_folder_that_may_not_be_read_is_named_with_its_owner(
    obedient: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    _foreign(tmp_path / "data").chmod(0o700)

    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "data"))

    code, out = obedient("doctor")

    (failed,) = _failed(out)
    assert code == 4
    assert f"{tmp_path / 'data'}: cannot be read by this user (0); it belongs to user {STRANGER}" in failed


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A driver that lists a device, of any version."""

    def listed(driver: str) -> str:
        found = f"NVIDIA A100-SXM4-40GB, 40960 MiB, {driver}"
        program = tmp_path / "bin" / "nvidia-smi"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho '{found}'\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        return found

    return listed


@pytest.mark.parametrize("disk", ["64m"], indirect=True)
def test_shared_memory_of_dockers_default_size_beside_a_gpu_is_named(
    call: Any, card: Any, disk: Path, monkeypatch: Any
) -> None:
    """A file system of 64 MB in the place of /dev/shm."""
    monkeypatch.delenv("nnUNet_n_proc_DA", raising=False)
    monkeypatch.setattr(doctor, "SHARED_MEMORY", disk)
    card("580.65.06")

    code, out, _ = call("doctor")

    line = next(line for line in out.splitlines() if " shm " in line)
    assert code == 4
    assert line.startswith(f"FAIL  shm          {disk} has 67 MB free, and 12 loading workers put about 720 MB there")
    assert "--shm-size 8g" in line


def test_a_driver_older_than_torchs_cuda_is_named_with_the_one_that_is_needed(
    call: Any, card: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """What torch built for CUDA 13 says beside an old driver, said by a stand-in, since neither is here."""
    module = tmp_path / "stand-in" / "torch.py"
    module.parent.mkdir()
    said = "The NVIDIA driver on your system is too old (found version 12080)."
    module.write_text(
        "class version: cuda = '13.0'\nclass cuda:\n    @staticmethod\n    def init():\n"
        f"        raise RuntimeError({said!r})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(module.parent))
    listed = card("570.86.10")

    code, out, _ = call("doctor")

    line = next(line for line in out.splitlines() if "accelerator" in line)
    assert code == 4
    assert line.startswith(f"FAIL  accelerator  {listed}: but torch, built for CUDA 13.0, can't use it ({said})")
    assert "update the driver to one for CUDA 13.0 (driver 580 or newer)" in line
