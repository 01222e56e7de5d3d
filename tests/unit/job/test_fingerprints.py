"""A fingerprint is taken once for the same bytes, and again where anything that it depends on differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clbench.data.dataset import RawCase
from clbench.data.raw import nifti
from clbench.definitions.cards import TaskCard
from clbench.job import case_work
from clbench.job.case_work import look
from clbench.job.cases import CaseWork, TaskWork

DESCRIPTION = {
    "file_ending": ".nii", "overwrite_image_reader_writer": "NibabelIO", "channel_names": {"0": "CT"},
    "labels": {"background": 0, "organ": 1, "lesion": 2},
}  # fmt: skip
CARD = TaskCard.model_construct(name="any", labels={"organ": (1,)}, original_labels={"organ": 1, "lesion": 2})


@pytest.fixture
def taken(tmp_path, monkeypatch):
    """Takes the fingerprint of a case, and counts how often that was done anew."""
    rng = np.random.default_rng(0)
    image = rng.normal(50, 20, (8, 9, 10)).astype(np.int16)
    label = np.zeros(image.shape, np.uint8)
    label[2:6, 2:6, 2:6], label[2, 2, 2] = 1, 2
    anew = []
    really = case_work.fingerprint_case
    monkeypatch.setattr(case_work, "fingerprint_case", lambda *what: anew.append(1) or really(*what))

    def take(name="a", shift=0, **changed):
        paths = [tmp_path / f"{name}_{kind}.nii" for kind in ("image", "label")]
        paths[0].write_bytes(nifti(image + np.int16(shift), (1.0, 2.0, 3.0)))
        paths[1].write_bytes(nifti(label, (1.0, 2.0, 3.0)))
        case = CaseWork(RawCase(name, (paths[0],), paths[1]), training=True)
        task = TaskWork(CARD, "Dataset002_Any", tmp_path, DESCRIPTION, (case,), "original", 40)
        seen = look(replace(task, **changed), case, Path(tmp_path), tmp_path / "kept")
        return seen, len(anew)

    return take


def same(one, other):
    a, b = one.fingerprint, other.fingerprint
    intensities = zip(a.intensities, b.intensities, strict=True)
    return (one.labels, a.shape, a.spacing, a.relative_size) == (
        other.labels, b.shape, b.spacing, b.relative_size,
    ) and all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in intensities)  # fmt: skip


def test_the_same_bytes_are_looked_at_once_whatever_their_files_are_called(taken):
    (first, _), (second, anew) = taken(), taken(name="b")
    assert anew == 1
    assert same(first, second)


@pytest.mark.parametrize(
    "changed",
    [
        {"shift": 1},
        {"samples": 50},
        {"intensities_from": "labels"},
        {"card": CARD.model_copy(update={"labels": {"lesion": (2,)}})},
    ],
    ids=["bytes", "draw", "whose voxels", "labels"],
)
def test_what_a_fingerprint_depends_on_makes_another_one(taken, changed):
    taken()
    assert taken(**changed)[1] == 2


def test_a_damaged_fingerprint_is_taken_again(taken, tmp_path):
    first, _ = taken()
    (kept,) = (tmp_path / "kept").iterdir()
    raw = kept.read_bytes()
    for damage in (raw[:-40], b"", raw[:200] + bytes([raw[200] ^ 255]) + raw[201:]):
        kept.write_bytes(damage)
        again, _ = taken()
        assert same(first, again)
        assert kept.read_bytes() == raw
