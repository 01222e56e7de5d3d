"""Disks that fill up at any kind of write, folders that can't be written, file systems that know no links."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from command_line import Undisturbed
from machine import Unavailable, do, install, mounted, want
from torture.conftest import FEW, litter, patient
from torture.moments import Life

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount file systems and become another user")
RUN = (*FEW, "--store", "disk/store", "--out", "disk/run")
OBEYING = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Makes root somebody whom permissions stop."""
PAGE = 4096
FULL = "the disk is full; free some space"

Mount = Callable[..., Path]


@pytest.fixture
def mount(program: Any) -> Iterator[Mount]:
    """Mounts a file system of its own at ``disk`` in the program's folder."""
    with ExitStack() as opened:

        def attach(*words: object) -> Path:
            try:
                return opened.enter_context(mounted(program.folder / "disk", *words))
            except Unavailable as why:
                pytest.skip(str(why))

        yield attach


def _tmpfs(mount: Mount, pages: int) -> Path:
    return mount("mount", "-t", "tmpfs", "-o", f"size={pages * PAGE}", "tmpfs")


def _assert_refused(said: Any, reason: str) -> None:
    assert said.code in (3, 4), f"exit code {said.code}: {said.err}"
    assert reason in said.err, said.err
    assert "Traceback" not in said.err, said.err


def _assert_completes(program: Any, few: Undisturbed, *words: object) -> None:
    """The same command goes on and comes to the same rows, and nothing half-written is left."""
    said = program(*(words or RUN))
    assert said.code == 0, said.err
    assert (program.folder / "disk/run/rows.csv").read_bytes() == few.rows
    assert not litter(program.folder)


@pytest.mark.parametrize("phase", ["starting", "preparing", "training", "evaluating"])
def test_a_disk_that_fills_up_while_jobs_write_is_said_and_with_more_room_the_run_goes_on(
    phase: str, program: Any, few: Undisturbed, mount: Mount, alone: None
) -> None:
    disk = _tmpfs(mount, 64 * 2**20 // PAGE)
    life = _begin(program, few)

    program.until(lambda: phase in life.phases or life.process.poll() is not None, program.patience)
    _fill(disk / "ballast")

    _assert_refused(program.ended(life.process), FULL)
    (disk / "ballast").unlink()
    _assert_completes(program, few)


def _begin(program: Any, few: Undisturbed) -> Life:
    since = time.time()
    return Life(program.start(*RUN), program.folder / "disk", few.jobs, since)


def _fill(path: Path) -> None:
    """Take all room of a disk, down to the last page."""
    with open(path, "wb", buffering=0) as file:
        try:
            while file.write(bytes(PAGE)):
                pass
        except OSError:
            return


def _pages_before(run: Undisturbed, name: str) -> int:
    """Pages of a tmpfs that are taken when a file of the run's folder is written, but for one that it needs."""
    files = [file for file in run.folder.rglob("*") if file.is_file() and file.name != "engine.log"]
    files.sort(key=lambda file: file.stat().st_mtime_ns)
    before = files[: files.index(run.folder / name) + 1]
    holder = 1  # the name of who holds the folder
    return holder + sum(-(-file.stat().st_size // PAGE) for file in before) - 1


@pytest.mark.parametrize(
    "name",
    ["plan.json", "rows.csv", "rows.parquet", "tables/final.md", "summary.json", "report.md", "checksums.json",
     "figures/forgetting.svg", "report.html"],
)  # fmt: skip
def test_a_disk_without_room_for_one_file_of_the_run_is_said_and_with_more_room_all_are_written(
    name: str, program: Any, few: Undisturbed, mount: Mount
) -> None:
    disk = _tmpfs(mount, _pages_before(few, name))
    words = (*FEW, "--store", few.store, "--out", "disk/run")

    _assert_refused(program(*words), f"disk/run: cannot write: {FULL}")

    assert not (disk / "run" / name).exists(), "that was the file without room"
    want("mount", "-o", "remount,size=64m", disk)
    _assert_completes(program, few, *words)


def test_a_read_only_disk_is_said_before_anything_is_begun(program: Any, few: Undisturbed, mount: Mount) -> None:
    disk = _tmpfs(mount, 64 * 2**20 // PAGE)
    _with_a_stage_to_do(few, disk)
    want("mount", "-o", "remount,ro", disk)

    _assert_refused(program(*RUN), "the file system is read-only; choose another folder")

    want("mount", "-o", "remount,rw", disk)
    _assert_completes(program, few)


def _with_a_stage_to_do(few: Undisturbed, disk: Path) -> None:
    shutil.copytree(few.store, disk / "store")
    shutil.rmtree(next((disk / "store" / "jobs").glob("stage2-*-replay-*[!k]")))


@pytest.mark.parametrize("phase", ["preparing", "training", "evaluating"])
def test_a_permission_that_is_lost_on_the_way_is_said_and_once_it_is_back_the_run_goes_on(
    phase: str, few: Undisturbed, tmp_path: Path
) -> None:
    user = patient(tmp_path, under=OBEYING)
    life = _begin(user, few)

    user.until(lambda: phase in life.phases or life.process.poll() is not None, user.patience)
    locked = [path for path in (tmp_path / "disk/store").rglob("*") if path.is_dir()]
    _chmod(locked, 0o500)

    _assert_refused(user.ended(life.process), "no permission to write there")
    _chmod(locked, 0o700)
    _assert_completes(user, few)


def _chmod(folders: list[Path], mode: int) -> None:
    for folder in folders:
        folder.chmod(mode)


VFAT = {"mkfs.vfat": "dosfstools"}
EXFAT = {"mkfs.exfat": "exfatprogs", "mount.exfat-fuse": "exfat-fuse"}


@pytest.mark.parametrize(("packages", "kind"), [(VFAT, "vfat"), (EXFAT, "exfat-fuse")], ids=["vfat", "exfat"])
def test_a_file_system_without_links_and_owners_is_good_enough(
    packages: dict[str, str], kind: str, program: Any, few: Undisturbed, mount: Mount
) -> None:
    try:
        install(packages)
    except Unavailable as why:
        pytest.skip(str(why))
    image = program.folder / "image"
    with open(image, "wb") as file:
        file.truncate(128 * 2**20)
    do(next(iter(packages)), image)
    disk = mount("mount", "-t", kind, "-o", "loop", image)
    with pytest.raises(OSError, match=r"not permitted|not implemented|not supported"):
        (disk / "link").symlink_to("image")

    _assert_completes(program, few)
