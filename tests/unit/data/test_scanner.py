"""What a scanner does to intensities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from clbench.data.draws import Draws
from clbench.data.scanner import scan
from clbench.definitions.anatomy_source import Scanner

IDEAL = Scanner(blur_mm=0, noise_hu=0)
SPACING = (4.0, 4.0, 5.0)


def scanned(hu: np.ndarray, **settings: float) -> np.ndarray:
    """``hu`` seen by an otherwise ideal scanner."""
    return scan(hu, SPACING, IDEAL.model_copy(update=settings), Draws("scanner", 0))


def test_an_ideal_scanner_only_rounds() -> None:
    hu = np.linspace(-900, 900, 8**3).reshape(8, 8, 8)
    seen = scanned(hu)
    assert seen.dtype == np.int16
    assert np.array_equal(seen, np.rint(hu))


def test_slope_comes_before_offset() -> None:
    assert set(scanned(np.full((4, 4, 4), 100.0), slope=0.5, offset_hu=-20).flat) == {30}


def test_noise_has_the_asked_deviation() -> None:
    assert scanned(np.zeros((30, 30, 30)), noise_hu=20).std() == pytest.approx(20, rel=0.03)


def test_blur_is_nearly_gaussian_with_the_asked_deviation() -> None:
    point = np.zeros((15, 15, 15))
    point[7, 7, 7] = 3e4
    seen = scan(point / 10, SPACING, Scanner(blur_mm=3, noise_hu=0), Draws("blur", 0)).astype(float)
    wanted = ndimage.gaussian_filter(point / 10, [3 / step for step in SPACING])
    along = np.arange(15) - 7
    for axis, step in enumerate(SPACING):
        profile = seen.sum(axis=tuple({0, 1, 2} - {axis}))
        assert (profile * (along * step) ** 2).sum() / profile.sum() == pytest.approx(9, rel=0.05)
    assert seen[7, 7, 7] == pytest.approx(wanted[7, 7, 7], rel=0.25)


def test_blur_leaves_flat_images_alone() -> None:
    assert set(scanned(np.full((5, 6, 7), 37.0), blur_mm=4).flat) == {37}


def test_shading_is_a_ramp_within_its_strength() -> None:
    seen = scanned(np.zeros((9, 9, 9)), shading_hu=50).astype(float)
    assert 0 < np.abs(seen).max() <= 50
    assert abs(seen[4, 4, 4]) < 1
    assert np.abs(seen + seen[::-1, ::-1, ::-1]).max() <= 1


def test_values_stay_within_what_a_scanner_stores() -> None:
    seen = scanned(np.array([[[-3000.0, 9000.0]]]))
    assert seen.tolist() == [[[-1024, 3071]]]
