"""A run packed into a bundle comes out again from it, where nothing of its definition is installed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from clbench.bundle import archive
from own_suite import write_own_suite

pytestmark = pytest.mark.slow


def test_a_run_comes_out_again_to_the_bit_from_its_bundle_alone(program: Any, tmp_path: Path) -> None:
    suite = write_own_suite(tmp_path / "suite")
    assert program("run", "own", "--suite", "suite", "--trust", "--store", "there").code == 0
    assert program("bundle", "reports/own", "--out", "own.tar.gz").code == 0
    rows = (tmp_path / "reports/own/rows.csv").read_bytes()
    shutil.rmtree(suite)
    shutil.rmtree(tmp_path / "reports")

    said = program("reproduce", "--from", "own.tar.gz", "--store", "here", "--trust")

    assert said.code == 0, said.out + said.err
    assert "versions and machine are those of the bundle" in said.out
    assert "4 of 4 jobs have the bundle's data, settings, versions and code" in said.out
    assert "of 4 jobs to do" in said.err, "nothing was taken from the first run"
    assert "own  reproduced" in said.out
    assert (tmp_path / "reports/own-reproduced/rows.csv").read_bytes() == rows


def test_what_differs_is_said_before_the_run_and_other_numbers_are_found(
    undisturbed: Any, tmp_path: Path
) -> None:
    """The bundle of an older torch whose numbers were others."""
    program = undisturbed.program_in(tmp_path)
    store = shutil.copytree(undisturbed.store, tmp_path / "store")
    assert program("bundle", undisturbed.folder, "--out", "small.tar.gz").code == 0
    files = archive.unpack(tmp_path / "small.tar.gz")
    del files[archive.MANIFEST]

    def repeat(**changed: bytes) -> Any:
        (tmp_path / "other.tar.gz").write_bytes(archive.pack(files | changed))
        return program("reproduce", "--from", "other.tar.gz", "--store", store)

    lines = files["rows.csv"].decode().splitlines(keepends=True)
    place = next(index for index, line in enumerate(lines) if ",ewc," in line and ",dice," in line)
    lines[place] = lines[place].rpartition(",")[0] + ",0.987\n"
    said = repeat(**{"rows.csv": "".join(lines).encode()})
    assert said.code == 1
    assert "versions and machine are those of the bundle" in said.out
    assert "small  drifted" in said.out

    old = files["summary.json"].replace(b'"torch": "', b'"torch": "0.9-')
    said = repeat(**{"summary.json": old})
    before = said.out.partition("compared ")[0]
    assert "torch      0.9-" in before
    assert "held against the bundle's by paired seeds: other versions of torch" in before
    assert "equal in spite of other versions of torch" in said.out
    assert "small  reproduced" in said.out
    assert said.code == 0
