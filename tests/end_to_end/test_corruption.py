"""Artifacts in the store that are not what was written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def _job(undisturbed: Any, title: str) -> str:
    plan = json.loads((undisturbed.folder / "plan.json").read_text())
    return next(str(job["id"]) for job in plan["jobs"] if job["title"].startswith(title))


def _overwrite(file: Path) -> Path:
    """Change one byte in the middle."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    return file


def _truncate(file: Path) -> Path:
    file.write_bytes(file.read_bytes()[:-100])
    return file


def test_damaged_artifacts_are_named_and_only_they_are_done_again_with_the_same_rows(
    program: Any, undisturbed: Any
) -> None:
    jobs = Path(shutil.copytree(undisturbed.store, program.folder / "store")) / "jobs"
    prepare, first = _job(undisturbed, "prepare"), _job(undisturbed, "from scratch · stage 1 · mini-liver")
    last, untouched = _job(undisturbed, "replay · stage 3"), _job(undisturbed, "ewc · stage 3")
    damaged = {
        _overwrite(next((jobs / prepare / "preprocessed").rglob("liver_*.b2nd"))): "has other bytes than",
        _truncate(jobs / first / "model" / "fold_0" / "checkpoint_final.pth"): "bytes instead of",
        _truncate(jobs / last / "result.json"): "not a whole sealed document",
    }
    stamp = (jobs / untouched / "result.json").stat().st_mtime_ns

    said = program(*undisturbed.words, "--store", "store", "--out", "run")

    assert said.code == 0, said.err
    for file, reason in damaged.items():
        line = next(line for line in said.err.splitlines() if str(file) in line)
        assert reason in line
        assert line.endswith(" has to be done again")
    assert "3 of 10 jobs to do, 7 cached" in said.err
    assert (program.folder / "run" / "rows.csv").read_bytes() == undisturbed.rows
    assert (jobs / untouched / "result.json").stat().st_mtime_ns == stamp
    for job in (prepare, first, last):
        log = (jobs / job / "log.txt").read_text()
        assert log.count("done in ") == 2, "the log of the second attempt stands behind the first's"
    trainings = {job: (jobs / job / "log.txt").read_text().count("epoch 1/") for job in (first, last)}
    assert trainings == {first: 2, last: 1}, "a lost result is evaluated anew, a lost model is trained anew"
