"""Several GPUs in one machine: found without torch, leased by file lock. The GPUs here are stand-ins."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from clbench.errors import ClbenchError, MissingEnvironment
from clbench.execute import gpus
from clbench.execute.backends import Local
from clbench.execute.lease import LEASES, Offer, lease_folder

GPUS = ("GPU-a", "GPU-b")
SMI = "#!/bin/sh\nprintf '0, GPU-a\\n1, GPU-b\\n'\n"


@pytest.fixture
def leases(scene: Any) -> Path:
    """A folder of locks of the test's own."""
    return lease_folder(scene.root / "leases")


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that lists two GPUs, and a torch that is built for them."""
    smi = tmp_path / "bin/nvidia-smi"
    smi.parent.mkdir()
    smi.write_text(SMI)
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(smi.parent), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    torch = tmp_path / "torch"
    torch.mkdir()
    torch.joinpath("__init__.py").write_text("raise AssertionError('torch was imported')")
    torch.joinpath("version.py").write_text("cuda: Optional[str] = '13.0'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "torch", raising=False)


def _most_at_once(notes: Path) -> dict[str, int]:
    """GPU → the most jobs that were on it at one time, by the order of what they wrote."""
    now: dict[str, set[str]] = {}
    most: dict[str, int] = {}
    for line in notes.read_text().splitlines():
        what, gpu, _, pid = line.split()
        (now.setdefault(gpu, set()).add if what == "begin" else now[gpu].discard)(pid)
        most[gpu] = max(most.get(gpu, 0), len(now[gpu]))
    return most


def test_four_jobs_on_two_gpus_are_never_two_on_one(scene: Any, leases: Path) -> None:
    notes = scene.root / "notes.txt"
    for name in "abcd":
        scene.add(name, sleep=0.3, gpus=str(notes))

    outcome, said = scene.carry_out(backend=Local(gpus=GPUS, leases=leases))

    assert outcome.exit_code == 0
    assert _most_at_once(notes) == {"GPU-a": 1, "GPU-b": 1}
    assert "on 2 GPUs" in said


def test_two_runs_at_once_never_meet_on_a_gpu(scene: Any, leases: Path, tmp_path: Path) -> None:
    notes = scene.root / "notes.txt"
    for name in "abcd":
        scene.add(name, sleep=0.3, gpus=str(notes))
    other = type(scene)(_new(tmp_path / "other"), scene.marker)
    for name in "efgh":
        other.add(name, sleep=0.3, gpus=str(notes))
    os.symlink(leases, other.root / "leases")

    programs = [scene.drive(*GPUS, jobs=2), other.drive(*GPUS, jobs=2)]

    assert [program.wait(60) for program in programs] == [0, 0]
    assert len(notes.read_text().splitlines()) == 16
    assert _most_at_once(notes) == {"GPU-a": 1, "GPU-b": 1}


def test_a_killed_holder_frees_its_gpu_and_nobody_has_it_before(scene: Any, leases: Path) -> None:
    notes = scene.root / "notes.txt"
    scene.add("killed", seconds=9, sleep=0.3, gpus=str(notes), signal=int(signal.SIGKILL))
    scene.add("next", sleep=0.1, gpus=str(notes))

    outcome, _ = scene.carry_out(backend=Local(gpus=GPUS[:1], leases=leases))

    assert outcome.finished == ("next",)
    assert scene.starts == ["killed", "next"]
    assert _most_at_once(notes) == {"GPU-a": 1}


def test_a_run_that_is_killed_frees_its_gpus_for_the_next(scene: Any, leases: Path, eventually: Any) -> None:
    scene.add("long", sleep=600, gpus=str(scene.root / "notes.txt"))
    program = scene.drive(*GPUS[:1], jobs=1)
    assert eventually(lambda: scene.starts == ["long"])
    assert Offer(str(leases), GPUS[:1])._try() is None

    os.killpg(program.pid, signal.SIGKILL)
    program.communicate()

    assert eventually(lambda: _free(leases, "GPU-a"))


def test_more_jobs_than_gpus_share_them_evenly_and_only_then(scene: Any, leases: Path) -> None:
    notes = scene.root / "notes.txt"
    for name in "abcd":
        scene.add(name, sleep=1.5, gpus=str(notes))

    scene.carry_out(backend=Local(jobs=4, gpus=GPUS, leases=leases))

    assert _most_at_once(notes) == {"GPU-a": 2, "GPU-b": 2}


def test_who_wants_a_gpu_alone_does_not_get_a_shared_one_nor_the_other_way_round(leases: Path) -> None:
    alone, shared = Offer(str(leases), ("GPU-a",)), Offer(str(leases), ("GPU-a",), sharing=2)

    holder = _hold(shared)
    assert alone._try() is None
    assert not _free(leases, "GPU-a")
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    holder = _hold(alone)
    assert shared._try() is None
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)


def test_a_preparation_leases_nothing_and_has_all_cores(scene: Any, leases: Path) -> None:
    scene.add("a", kind="prepare")

    needs = Local(gpus=GPUS, leases=leases).needs(scene.plan)["a"]

    assert needs.environment == {}
    assert needs.threads == Local(gpus=GPUS).cores >= 2


@pytest.mark.parametrize(
    ("setting", "left"),
    [
        (None, ("GPU-a", "GPU-b")), ("1", ("GPU-b",)), ("1, 0", ("GPU-b", "GPU-a")), ("", ()), ("-1", ()),
        ("0,7,1", ("GPU-a",)), ("GPU-b", ("GPU-b",)), ("MIG-c", ("MIG-c",)),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("two_gpus")
def test_what_cuda_visible_devices_hides_is_not_used(
    setting: str | None, left: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)

    assert gpus.usable_gpus() == left


@pytest.mark.usefixtures("two_gpus")
def test_gpus_are_chosen_by_number_and_a_wrong_number_names_the_right_ones() -> None:
    assert gpus.usable_gpus(("1",)) == ("GPU-b",)
    with pytest.raises(ClbenchError, match="no GPU '2' here; there are 0, 1"):
        gpus.usable_gpus(("2",))


@pytest.mark.usefixtures("two_gpus")
def test_a_torch_without_cuda_uses_no_gpu_and_says_so_if_one_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "torch/version.py").write_text("cuda: Optional[str] = None\n")

    assert gpus.usable_gpus() == ()
    with pytest.raises(MissingEnvironment, match=r"--gpus 0: .* built without CUDA"):
        gpus.usable_gpus(("0",))


def test_a_folder_of_locks_that_is_somebody_elses_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine")

    assert lease_folder(tmp_path / "mine") == tmp_path / "mine"
    with pytest.raises(MissingEnvironment, match="is not a folder of yours"):
        lease_folder(tmp_path / "link")


def test_all_runs_of_a_user_meet_in_one_folder_whatever_the_environment_says() -> None:
    assert Path(f"/tmp/clbench-gpus-{os.geteuid()}") == LEASES


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _hold(offer: Offer) -> int:
    """A process that leases a GPU and keeps it."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        offer.take()
        os.write(write, b".")
        time.sleep(600)
        os._exit(0)
    os.read(read, 1)
    return child


def _free(leases: Path, gpu: str) -> bool:
    """Whether another process could lease a GPU."""
    child = os.fork()
    if child == 0:
        os._exit(0 if Offer(str(leases), (gpu,))._try() else 1)
    return os.waitpid(child, 0)[1] == 0
