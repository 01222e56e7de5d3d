"""Every kind of file that a run leaves behind, cut short, zeroed and with one bit changed: named, and never used."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clbench.errors import ClbenchError, CorruptArtifact
from clbench.references import keep, read_measured
from clbench.run import finished, read_plan
from clbench.store import JobFolder, Store, read_checked, write_checked

pytestmark = pytest.mark.slow


def _cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def _zeroed(data: bytes) -> bytes:
    return bytes(len(data))


def _flipped(data: bytes) -> bytes:
    """One bit, in the middle, so that a digit becomes another digit if there is one."""
    middle = next((n for n in range(len(data) // 2, len(data)) if chr(data[n]) in "02468"), len(data) // 2)
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


DAMAGE = {"cut": _cut, "zeroed": _zeroed, "flipped": _flipped}
STORED = {
    "result of a preparation": ("prepare*/result.json", "its content|sealed document"),
    "result of a stage": ("stage3*replay*/result.json", "its content|sealed document"),
    "plans": ("prepare*/plans.json", "bytes"),
    "preprocessed case": ("prepare*/preprocessed/*/cases/liver_*[0-9].b2nd", "bytes"),
    "preprocessed label": ("prepare*/preprocessed/*/cases/liver_*_seg.b2nd", "bytes"),
    "a case's properties": ("prepare*/preprocessed/*/cases/liver_*.pkl", "bytes"),
    "the network's labels": ("prepare*/preprocessed/*/dataset.json", "bytes"),
    "reference label": ("prepare*/preprocessed/*/reference/liver_*.npz", "bytes"),
    "checkpoint": ("stage3*replay*/model/fold_0/checkpoint_final.pth", "bytes"),
    "plans of a model": ("stage3*replay*/model/plans.json", "bytes"),
    "labels of a model": ("stage3*replay*/model/dataset.json", "bytes"),
    "a method's memory": ("stage3*replay*/memory.pth", "bytes"),
}
"""Kind → where one lies in the store's jobs, and what is said of it."""


@pytest.fixture(scope="module")
def run(undisturbed: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """The plan of a finished run whose store was copied, and the copy of its folder."""
    root = tmp_path_factory.mktemp("damaged")
    shutil.copytree(undisturbed.store, root / "store")
    shutil.copytree(undisturbed.folder, root / "run")
    keep(read_measured(root / "run"), root / "reference")
    return read_plan(root / "run").model_copy(update={"store": str(root / "store")}), root


@pytest.fixture
def damaging() -> Iterator[Callable[[Path, str], None]]:
    """Damages a file, and mends it after the test."""
    before: dict[Path, bytes] = {}

    def damage(file: Path, how: str) -> None:
        before[file] = file.read_bytes()
        file.write_bytes(DAMAGE[how](before[file]))
        assert file.read_bytes() != before[file]

    yield damage
    for file, data in before.items():
        file.write_bytes(data)


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("kind", STORED)
def test_a_damaged_file_of_the_store_is_named_and_its_job_alone_has_to_be_done_again(
    run: tuple[Any, Path], damaging: Any, kind: str, how: str
) -> None:
    plan, root = run
    pattern, reason = STORED[kind]
    file = min((root / "store/jobs").glob(pattern))
    damaging(file, how)
    said = io.StringIO()

    done = finished(plan, Store(root / "store"), Console(file=said, width=10_000))

    (line,) = said.getvalue().splitlines()
    assert line.startswith(f"{file}: ")
    assert any(words in line for words in reason.split("|"))
    assert line.endswith(" has to be done again")
    assert {job.id for job in plan.jobs} - done == {file.relative_to(root / "store/jobs").parts[0]}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_training_whose_record_is_damaged_counts_for_nothing(
    run: tuple[Any, Path], damaging: Any, how: str
) -> None:
    file = next((run[1] / "store/jobs").glob("stage3*replay*/trained.json"))
    damaging(file, how)

    with pytest.raises(CorruptArtifact, match=str(file)):
        JobFolder(file.parent).check("trained")


@pytest.mark.parametrize("how", DAMAGE)
def test_the_state_of_a_killed_training_is_read_whole_or_not_at_all(tmp_path: Path, damaging: Any, how: str) -> None:
    write_checked(tmp_path / "resume.pth", bytes(range(256)) * 10)
    damaging(tmp_path / "resume.pth", how)

    with pytest.raises(CorruptArtifact, match=r"resume\.pth: has other bytes than were written"):
        read_checked(tmp_path / "resume.pth")


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize(
    "name",
    ["run/summary.json", "run/rows.csv", "run/checksums.json", "reference/summary.json", "reference/rows.csv.gz"],
)
def test_a_damaged_run_or_reference_is_named_and_nothing_is_compared_with_it(
    run: tuple[Any, Path], damaging: Any, name: str, how: str
) -> None:
    file = run[1] / name
    damaging(file, how)

    with pytest.raises(ClbenchError, match=str(file)):
        read_measured(file.parent)


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_plan_is_refused_by_what_reads_it_and_written_anew_by_a_run(
    run: tuple[Any, Path], damaging: Any, how: str, undisturbed: Any
) -> None:
    root = run[1]
    damaging(root / "run/plan.json", how)
    program = undisturbed.program_in(root)
    with pytest.raises(ClbenchError, match=r"plan\.json"):
        read_plan(root / "run")
    job = run[0].jobs[-1].id
    assert program("job", "run/plan.json", job).code == 4

    said = program(*undisturbed.words, "--store", "store", "--out", "run")

    assert said.code == 0, said.err
    assert said.err.startswith("nothing to do")
    assert read_plan(root / "run").jobs == run[0].jobs
