"""A fingerprint is taken once for the same bytes, and again where anything that it depends on differs."""

from __future__ import annotations

import numpy as np
import pytest

from clbench.data.raw import nifti
from clbench.job import fingerprints
from clbench.job.fingerprints import fingerprint

DESCRIPTION = {"file_ending": ".nii", "overwrite_image_reader_writer": "NibabelIO", "channel_names": {"0": "CT"}}


@pytest.fixture
def taken(tmp_path, monkeypatch):
    """Takes the fingerprint of a case, and counts how often that was done anew."""
    rng = np.random.default_rng(0)
    image = rng.normal(50, 20, (8, 9, 10)).astype(np.int16)
    label = np.zeros(image.shape, np.uint8)
    label[2:6, 2:6, 2:6] = 1
    anew = []
    really = fingerprints.fingerprint_case
    monkeypatch.setattr(fingerprints, "fingerprint_case", lambda *what: anew.append(1) or really(*what))

    def take(samples=40, name="a", shift=0):
        paths = [tmp_path / f"{name}_{kind}.nii" for kind in ("image", "label")]
        paths[0].write_bytes(nifti(image + np.int16(shift), (1.0, 2.0, 3.0)))
        paths[1].write_bytes(nifti(label, (1.0, 2.0, 3.0)))
        case = fingerprint([str(paths[0])], str(paths[1]), DESCRIPTION, samples, tmp_path / "kept")
        return case, len(anew)

    return take


def same(one, other):
    intensities = zip(one.intensities, other.intensities, strict=True)
    return (one.shape, one.spacing, one.relative_size) == (other.shape, other.spacing, other.relative_size) and all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in intensities
    )


def test_the_same_bytes_are_looked_at_once_whatever_their_files_are_called(taken):
    (first, _), (second, anew) = taken(), taken(name="b")
    assert anew == 1
    assert same(first, second)


def test_other_bytes_and_another_draw_are_fingerprints_of_their_own(taken):
    taken()
    assert taken(shift=1)[1] == 2
    case, anew = taken(samples=50)
    assert (anew, case.intensities[0].size) == (3, 50)


def test_a_damaged_fingerprint_is_taken_again(taken, tmp_path):
    first, _ = taken()
    (kept,) = (tmp_path / "kept").iterdir()
    raw = bytearray(kept.read_bytes())
    for damage in (raw[:-40], b"", raw[:200] + bytes([raw[200] ^ 255]) + raw[201:]):
        kept.write_bytes(damage)
        before = len(list((tmp_path / "kept").iterdir()))
        again, _ = taken()
        assert same(first, again)
        assert kept.read_bytes() == bytes(raw)
        assert len(list((tmp_path / "kept").iterdir())) == before
