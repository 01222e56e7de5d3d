"""The committed anatomy, and what happens when it is not what was committed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import get_args

import pytest

from clbench.data.anatomy import Anatomy, anatomy_file, expected_sha256, load_anatomy, shipped_anatomy
from clbench.definitions.anatomy_source import Organ
from clbench.errors import MissingEnvironment


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the anatomy file with its checksum beside it."""
    shutil.copy(anatomy_file().with_name("anatomy.sha256"), tmp_path)
    return Path(shutil.copy(anatomy_file(), tmp_path))


def refusal(path: Path) -> str:
    """The message with which a file is refused."""
    with pytest.raises(MissingEnvironment) as caught:
        load_anatomy(path)
    assert caught.value.exit_code == 4
    return str(caught.value)


def test_the_committed_file_has_its_checksum_and_stays_small() -> None:
    assert isinstance(load_anatomy(anatomy_file()), Anatomy)
    assert anatomy_file().stat().st_size <= 4_000_000


def test_recipes_may_name_exactly_the_organs_in_the_file() -> None:
    assert tuple(shipped_anatomy().organs) == get_args(Organ)


def test_every_organ_is_outlined_somewhere() -> None:
    anatomy = shipped_anatomy()
    found = {int(number) for scene in anatomy.scenes.values() for number in set(scene.organs.flat)}
    assert found == {0, *anatomy.organs.values()}


def test_a_missing_file_is_named_with_its_checksum_and_a_remedy(copied: Path) -> None:
    copied.unlink()
    message = refusal(copied)
    assert str(copied) in message
    assert expected_sha256(copied) in message
    assert "git checkout" in message


def test_a_truncated_file_is_refused(copied: Path) -> None:
    copied.write_bytes(copied.read_bytes()[:-100])
    message = refusal(copied)
    assert f"{copied}: changed or truncated" in message
    assert expected_sha256(copied) in message


def test_a_flipped_byte_is_refused(copied: Path) -> None:
    data = bytearray(copied.read_bytes())
    data[len(data) // 2] ^= 1
    copied.write_bytes(data)
    assert "changed or truncated" in refusal(copied)


def test_a_missing_checksum_is_refused(copied: Path) -> None:
    copied.with_name("anatomy.sha256").unlink()
    assert "cannot read the checksum" in refusal(copied)


@pytest.mark.parametrize("text", ["", "not-a-checksum  anatomy.npz\n", "version https://git-lfs\n"])
def test_a_checksum_file_without_a_checksum_is_refused(copied: Path, text: str) -> None:
    copied.with_name("anatomy.sha256").write_text(text)
    assert "no sha256" in refusal(copied)
