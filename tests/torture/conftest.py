"""How long the suite tortures, and what: `make torture KILLS=1000 MINUTES=120`, or `make torture-short`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from command_line import Program, Undisturbed, undisturbed_run

SUITE = Path(__file__).parent / "suite"
"""Parts of ``ci`` that take seconds."""
FEW = ("run", "few", "--suite", SUITE)
patient = partial(Program, patience=3600.0)
"""The command line in a folder; on a machine that is busy otherwise runs may take an hour."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say how much."""
    parser.addoption("--on", choices=["ci", "few"], default="ci", help="the benchmark that is killed and repeated")
    parser.addoption("--kills", type=int, default=100, help="how many times a run is killed")
    parser.addoption("--minutes", type=float, default=30.0, help="how long runs are repeated")
    parser.addoption("--seed", type=int, default=0, help="which moments and processes")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The command line in an empty folder."""
    return patient(tmp_path)


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The benchmark ``ci``, run once with nothing in its way."""
    return undisturbed_run(patient(tmp_path_factory.mktemp("quiet")), "run", "ci")


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The benchmark ``few``, run once with nothing in its way."""
    return undisturbed_run(patient(tmp_path_factory.mktemp("few")), *FEW)


@pytest.fixture
def tortured(request: pytest.FixtureRequest) -> Undisturbed:
    """The benchmark that is killed and repeated, run once with nothing in its way."""
    return request.getfixturevalue({"ci": "quiet", "few": "few"}[request.config.getoption("on")])


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of everything that the test starts, and of nothing else."""
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def alone(program: Program) -> Iterator[None]:
    """See that nothing that a test started is left when it ends."""
    yield
    assert_nothing_lives(program.folder)


def assert_nothing_lives(folder: Path) -> None:
    """Give what was killed in a folder the time that a busy disk takes to let go of it."""
    with suppress(AssertionError):
        Program.until(lambda: not living(folder), 60.0)
    assert not living(folder)


def living(folder: Path) -> dict[int, str]:
    """Processes whose working folder lies in a folder, all that was started there: their state and command."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if Path(os.readlink(process / "cwd")).is_relative_to(folder):
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
                command = (process / "cmdline").read_text().replace("\0", " ")
                found[int(process.name)] = f"{state} {command}"
    return found


def litter(*folders: Path) -> list[str]:
    """What writers that were killed left half-written; a fingerprint is left to be swept an hour later."""
    return [str(path) for folder in folders for path in folder.rglob(".*.tmp") if path.parent.name != "fingerprints"]


def left_in(temporary: Path) -> list[str]:
    """What lies in a temporary folder, but for the one cache that torch keeps of a user."""
    return [name for name in os.listdir(temporary) if not name.startswith("torchinductor_")]


def abandoned() -> set[str]:
    """Files in shared memory that no living process maps: what the killed leave there, and nobody else's."""
    shared = Path("/dev/shm")
    names = {path.name for path in shared.glob("*") if path.is_file()}
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):  # it has ended meanwhile
            text = maps.read_text()
            names = {name for name in names if f"{shared}/{name}" not in text}
    return {name for name in names if (shared / name).exists()}  # what its owner deleted meanwhile is not left


def forget(folder: Path) -> None:
    """Delete store and run, so that the next one begins anew."""
    for name in ("store", "run"):
        shutil.rmtree(folder / name, ignore_errors=True)
