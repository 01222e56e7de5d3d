"""What doctor says of a GPU that can't be used, and of workers that have no room for their batches."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from clbench.cli import doctor
from clbench.errors import MissingEnvironment

CARD = "NVIDIA A100-SXM4-40GB, 40960 MiB, 525.60.13"


def test_doctor_names_a_torch_without_cuda_beside_a_gpu(call: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """A driver that lists a device, and the torch that is really installed here, which is built without CUDA."""
    torch = pytest.importorskip("torch")
    if torch.version.cuda:
        pytest.skip("this torch is built for CUDA")
    driver = tmp_path / "bin" / "nvidia-smi"
    driver.parent.mkdir()
    driver.write_text(f"#!/bin/sh\necho '{CARD}'\n")
    driver.chmod(driver.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{driver.parent}{os.pathsep}{os.environ['PATH']}")

    code, out, _ = call("doctor")

    line = next(line for line in out.splitlines() if "accelerator" in line)
    assert code == 4
    assert line.startswith(f"FAIL  accelerator  {CARD}: but this torch is built without CUDA")


def test_a_driver_that_is_too_old_is_named_with_the_cuda_that_torch_wants() -> None:
    error = "The NVIDIA driver on your system is too old (found version 11080)."
    with pytest.raises(MissingEnvironment, match=r"built for CUDA 12\.8, can't use it \(The NVIDIA driver.*too old"):
        doctor._usable([CARD], "12.8", 0, error)
    assert doctor._usable([CARD], "12.8", 1, "") == CARD


def test_shared_memory_of_dockers_default_size_is_too_small_for_the_workers(monkeypatch: Any) -> None:
    monkeypatch.delenv("nnUNet_n_proc_DA", raising=False)
    with pytest.raises(MissingEnvironment, match=r"has 67 MB free, and 12 loading workers.*--shm-size 8g"):
        doctor._shared_memory(64 * 2**20)
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    assert doctor._shared_memory(64 * 2**20)
