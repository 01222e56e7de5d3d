"""A copy of the program whose anatomy file is not the one that was published."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clbench.data.anatomy import anatomy_file, expected_sha256
from clbench.definitions.catalogue import package_root, shipped_root


@pytest.fixture
def copy(program: Any) -> Any:
    """A program in a folder of its own, with its own anatomy."""
    root = program.folder / "copy"
    ignore = shutil.ignore_patterns("__pycache__", "shipped")
    shutil.copytree(package_root(), root / "src" / "clbench", ignore=ignore)
    for name in ("tasks", "baselines", "benchmark"):
        shutil.copytree(shipped_root() / name, root / name)
    (program.folder / "work").mkdir()
    return type(program)(program.folder / "work", root / "src")


def _anatomy(copy: Any) -> Path:
    return Path(copy.source).parent / "tasks" / "anatomy" / "anatomy.npz"


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


def _change(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_truncate, "anatomy.npz: changed or truncated, "),
        (_change, "anatomy.npz: changed or truncated, "),
        (Path.unlink, "anatomy.npz: No such file or directory, expected sha256 "),
        (lambda file: file.with_suffix(".sha256").unlink(), "anatomy.sha256: cannot read the checksum"),
        (lambda file: file.with_suffix(".sha256").write_text("?"), "anatomy.sha256: no sha256 of anatomy.npz in it"),
    ],
    ids=["truncated", "one bit changed", "missing", "checksum missing", "checksum unreadable"],
)
def test_a_damaged_anatomy_file_is_named_with_its_remedy_and_nothing_is_begun(
    copy: Any, damage: Callable[[Path], None], said: str
) -> None:
    damage(_anatomy(copy))

    run, doctor = copy("run", "ci"), copy("doctor", "--store", "elsewhere")

    assert run.code == doctor.code == 4
    assert run.err.startswith(f"error: {_anatomy(copy).parent}/{said}")
    assert "restore it with `git checkout -- tasks/anatomy`, or reinstall clbench" in run.err
    assert said in next(line for line in doctor.out.splitlines() if line.startswith("FAIL  anatomy"))
    assert [path.name for path in copy.folder.iterdir()] == ["elsewhere"], (
        "only doctor made the store it was asked of"
    )


def test_the_message_gives_both_checksums(copy: Any) -> None:
    _change(_anatomy(copy))

    said = copy("run", "ci").err

    assert f"expected {expected_sha256(anatomy_file())}" in said
    assert f"{anatomy_file().stat().st_size} bytes with sha256 " in said


def test_a_whole_copy_finds_nothing_wrong_with_its_own_anatomy(copy: Any) -> None:
    said = copy("doctor")

    assert said.code == 0
    assert "checksum right" in said.out
    assert str(_anatomy(copy).parents[1]) in copy("show", "mini-liver").out, "it is the copy that was asked"
