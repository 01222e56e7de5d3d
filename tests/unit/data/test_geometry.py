"""Where voxels of a case lie in a scene, and what is read there."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from clbench.data.anatomy import Scene, shipped_anatomy
from clbench.data.draws import Draws
from clbench.data.geometry import deformed, displacement, middle, rotation, sample
from clbench.definitions.anatomy_source import AnatomySource, Variation

STILL = Variation(rotation_degrees=(0, 0, 0), scale=(1, 1), warp_mm=0, jitter_mm=0)


def recipe(**fields: object) -> AnatomySource:
    """A recipe whose voxels are the abdomen's own, changed by ``fields``."""
    given = {
        "kind": "anatomy", "scene": "abdomen", "focus": "kidney", "organs": {"kidney": "kidney"},
        "spacing": (3, 3, 3), "shape": (31, 21, 11), "variation": STILL,
    }  # fmt: skip
    return AnatomySource.model_validate(given | fields)


def scene_of(source: AnatomySource) -> tuple[Scene, int]:
    """The recipe's scene and its focus' number."""
    anatomy = shipped_anatomy()
    return anatomy.scenes[source.scene], anatomy.organs[source.focus]


def test_without_variation_a_case_is_a_cut_out_of_the_scene() -> None:
    scene, number = scene_of(source := recipe())
    hu, organs = sample(scene, deformed(source, scene, number, Draws("still", 0)))
    x, y, z = (int(place + 0.5) for place in middle(scene.organs, number))
    window = np.s_[x - 15 : x + 16, y - 10 : y + 11, z - 5 : z + 6]
    fractions = [place % 1 for place in middle(scene.organs, number)]
    shifted = ndimage.shift(scene.hu.astype(float), [-f if f == 0 else 0.5 for f in fractions], order=1)
    assert np.array_equal(organs, scene.organs[window])
    np.testing.assert_allclose(hu, shifted[window], atol=1e-9)


def test_interpolation_equals_scipys_up_to_the_rounding_of_coordinates() -> None:
    scene, number = scene_of(source := recipe(variation=Variation(jitter_mm=0)))
    points = deformed(source, scene, number, Draws("scipy", 0))
    hu, _ = sample(scene, points)
    rounded = [np.rint(p * (256 / 3)) / 256 for p in points]
    wanted = ndimage.map_coordinates(scene.hu.astype(float), rounded, order=1, mode="nearest")
    np.testing.assert_allclose(hu, wanted, atol=1e-6)


def test_the_image_stays_inside_the_scene_where_it_fits() -> None:
    scene, number = scene_of(source := recipe(focus="liver", variation=STILL.model_copy(update={"jitter_mm": 99})))
    for index in range(20):
        points = deformed(source, scene, number, Draws("edge", index))
        assert all(p.min() >= 0 for p in points)
        assert all(p.max() <= (n - 1) * 3 for p, n in zip(points, scene.hu.shape, strict=True))


def test_an_image_larger_than_the_scene_repeats_the_edge() -> None:
    scene, number = scene_of(source := recipe(spacing=(30, 30, 30), shape=(20, 20, 20)))
    hu, _ = sample(scene, deformed(source, scene, number, Draws("large", 0)))
    assert np.all(hu[0, 0] == hu[1, 0])
    assert hu.min() >= scene.hu.min()


def test_a_mirrored_case_swaps_left_and_right() -> None:
    scene, number = scene_of(plain := recipe())
    swapped = recipe(variation=STILL.model_copy(update={"mirror": True}))
    start = [
        sample(scene, deformed(s, scene, number, Draws("mirror", i)))[0] for s in (plain, swapped) for i in range(8)
    ]
    flips = [np.array_equal(a, b[::-1]) for a, b in zip(start[:8], start[8:], strict=True)]
    same = [np.array_equal(a, b) for a, b in zip(start[:8], start[8:], strict=True)]
    assert any(flips)
    assert any(same)
    assert all(f != s for f, s in zip(flips, same, strict=True))


def test_rotations_keep_lengths_and_stay_within_their_limits() -> None:
    for index in range(20):
        matrix = np.array(rotation(Variation(rotation_degrees=(6, 0, 0)), Draws("rotation", index)))
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1)
        assert matrix[1, 1] >= np.cos(np.radians(6.01))


def test_displacements_are_smooth_and_as_large_as_asked() -> None:
    fields = np.array([displacement((40, 40, 28), 7, Draws("warp", index)) for index in range(30)])
    assert fields.std() == pytest.approx(7 * 0.78, rel=0.15)
    assert max(np.abs(np.diff(fields, axis=axis)).max() for axis in (2, 3, 4)) < 6
