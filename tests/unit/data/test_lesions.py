"""Drawn lesions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from clbench.data.draws import Draws
from clbench.data.lesions import draw
from clbench.definitions.anatomy_source import Lesion

HOST, OTHER = 4, 5


@pytest.fixture
def organs() -> npt.NDArray[np.uint8]:
    """A block of the host organ, another organ above it, background round both."""
    volume = np.zeros((30, 30, 30), dtype=np.uint8)
    volume[8:22, 8:22, 8:16] = HOST
    volume[8:22, 8:22, 16:22] = OTHER
    return volume


def lesion(**fields: object) -> Lesion:
    """Lesions of 10 to 20 mm, changed by ``fields``."""
    return Lesion.model_validate({"organ": "liver", "radius_mm": (10, 20), "hu": (50, 60)} | fields)


@pytest.mark.parametrize("index", range(10))
def test_a_lesion_inside_an_organ_never_leaves_it(organs: npt.NDArray[np.uint8], index: int) -> None:
    body = draw(lesion(), HOST, organs, np.zeros(organs.shape), (4, 4, 4), Draws("inside", index))
    assert body.any()
    assert set(organs[body]) == {HOST}


@pytest.mark.parametrize("index", range(10))
def test_a_lesion_through_the_wall_spares_other_organs(organs: npt.NDArray[np.uint8], index: int) -> None:
    hu = np.zeros(organs.shape)
    body = draw(lesion(grows="through"), HOST, organs, hu, (4, 4, 4), Draws("through", index))
    assert body.any()
    assert set(organs[body]) <= {0, HOST}
    assert HOST in organs[body]


def test_lesions_through_the_wall_leave_the_organ(organs: npt.NDArray[np.uint8]) -> None:
    bodies = [
        draw(lesion(grows="through"), HOST, organs, np.zeros(organs.shape), (4, 4, 4), Draws("through", index))
        for index in range(10)
    ]
    assert any(0 in organs[body] for body in bodies)


def test_only_marked_voxels_change_and_have_the_asked_intensity(organs: npt.NDArray[np.uint8]) -> None:
    hu = np.full(organs.shape, -100.0)
    body = draw(lesion(texture_hu=0), HOST, organs, hu, (4, 4, 4), Draws("hu", 0))
    assert set(hu[~body]) == {-100.0}
    assert 50 <= hu[body].min() == hu[body].max() <= 60


def test_a_count_from_zero_to_one_draws_a_lesion_in_some_cases_and_none_in_others(
    organs: npt.NDArray[np.uint8],
) -> None:
    maybe, hu = lesion(count=(0, 1)), np.zeros(organs.shape)
    drawn = {bool(draw(maybe, HOST, organs, hu, (4, 4, 4), Draws("count", index)).any()) for index in range(20)}
    assert drawn == {False, True}


def test_nothing_is_drawn_when_the_organ_is_not_in_the_image(organs: npt.NDArray[np.uint8]) -> None:
    assert not draw(lesion(), 9, organs, np.zeros(organs.shape), (4, 4, 4), Draws("absent", 0)).any()


def test_the_volume_is_about_that_of_the_ellipsoid() -> None:
    everywhere = np.full((41, 41, 41), HOST, dtype=np.uint8)
    ball = lesion(radius_mm=(10, 10))
    volumes = [
        draw(ball, HOST, everywhere, np.zeros(everywhere.shape), (2, 2, 2), Draws("ball", index)).sum() * 8
        for index in range(20)
    ]
    assert np.mean(volumes) == pytest.approx(4 / 3 * np.pi * 10**3, rel=0.15)
