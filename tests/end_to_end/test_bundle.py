"""A run packed into a bundle comes out again from it, where nothing of its definition is installed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from clbench.bundle import archive

pytestmark = pytest.mark.slow
DEFINITION = """
name: own
version: 1
title: Two epochs of two steps, a task and a method of one's own
scenario: task-incremental
sequence: [mini-liver, my-spleen]
backbone: {configuration: 3d_fullres, spacing: [12, 12, 12], patch: [16, 16, 16], features: [4, 8, 8], mirror: false}
budget: {epochs: 2, batch: 2}
sample: {train: 4, val: 1, seed: 0}
protocols: {continual: {baselines: [mine]}}
seeds: [7]
"""
METHOD = '''
"""A method of the user's own."""
from clbench.methods.base import Method


class Mine(Method):
    """Shrinks the gradient of the second task."""

    def begin_stage(self, context):
        """Keep the trunk."""
        self._trunk = context.trunk

    def after_backward(self, iteration, lr):
        """A tenth is left of it."""
        for parameter in self._trunk.values():
            if parameter.grad is not None:
                parameter.grad.mul_(0.1)

    def effect(self):
        """It always acts."""
        return 1.0
'''
CARD = "name: mine\nversion: 1\ntitle: My own\nmethod: mine\n"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite with one of each kind."""
    folder = tmp_path / "suite"
    spleen = Path(__file__).parents[2] / "tasks" / "mini-spleen.yaml"
    files = {
        "benchmark/own.yaml": DEFINITION, "methods/mine.py": METHOD, "baselines/mine.yaml": CARD,
        "tasks/my-spleen.yaml": spleen.read_text().replace("name: mini-spleen", "name: my-spleen"),
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def test_a_run_comes_out_again_to_the_bit_from_its_bundle_alone(program: Any, suite: Path, tmp_path: Path) -> None:
    assert program("run", "own", "--suite", "suite", "--trust", "--store", "there").code == 0
    assert program("bundle", "reports/own", "--out", "own.tar.gz").code == 0
    rows = (tmp_path / "reports/own/rows.csv").read_bytes()
    shutil.rmtree(suite)
    shutil.rmtree(tmp_path / "reports")

    said = program("reproduce", "--from", "own.tar.gz", "--store", "here", "--trust")

    assert said.code == 0, said.out + said.err
    assert "versions and machine are those of the bundle" in said.out
    assert "3 of 3 jobs have the bundle's data, settings, versions and code" in said.out
    assert "of 3 jobs to do" in said.err, "nothing was taken from the first run"
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
    assert "held against the bundle's within a margin: other versions of torch" in before
    assert "small  inconclusive" in said.out, "one seed"
