"""Strips: the slice, its part, and a drawing that is the same every time."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from clbench.report.figures.strips import CT_WINDOW, Strip, View, around, best_slice, window_of
from clbench.report.page.pictures import MOST_BYTES, Picture, Pictures


def cylinder(radii: list[int]) -> np.ndarray:
    x, y = np.ogrid[:20, :20]
    return np.stack([(x - 10) ** 2 + (y - 10) ** 2 < radius**2 for radius in radii], -1).astype(np.uint8)


def test_the_slice_has_most_of_the_reference_but_is_not_where_the_image_cuts_it_off():
    assert best_slice(cylinder([0, 2, 5, 3, 1]), []) == 2
    assert best_slice(cylinder([4, 5, 5, 6, 9]), []) == 3


def test_without_a_reference_the_slice_has_most_of_the_predictions_and_else_it_is_the_middle():
    empty = np.zeros((20, 20, 5), np.uint8)
    assert best_slice(empty, [cylinder([0, 0, 1, 4, 0])]) == 3
    assert best_slice(empty, [empty]) == best_slice(empty, []) == 2


def test_the_part_that_is_shown_holds_every_mask_with_a_margin_and_is_square_in_mm():
    one, other = np.zeros((2, 100, 50))
    one[40:50, 20:22], other[52:60, 24] = 1, 2
    across, along = around([one, other], (1.0, 2.0), margin_mm=6.0)
    assert (across.start, across.stop) == (34, 66)
    assert along.stop - along.start in (16, 17)
    assert along.start <= 17
    assert along.stop >= 28
    assert around([np.zeros((4, 4))], (1, 1)) == (slice(None), slice(None))


def test_ct_has_a_soft_tissue_window_and_other_images_nearly_all_their_values():
    values = np.arange(1001.0)
    assert window_of(values, "CT") == CT_WINDOW
    assert window_of(values, "T2") == (10.0, 990.0)


def strip(predicted: np.ndarray | None, dice: float | None = 0.5) -> Strip:
    reference = cylinder([6])[..., 0]
    return Strip("liver · a", "liver-a", "", reference * 100.0, reference, (1.0, 1.5), CT_WINDOW, ("after 1 liver",),
                 (("finetune", (View(predicted, dice),)),))  # fmt: skip


def pixels(drawn: Strip) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(drawn.file("png", dpi=60))).convert("RGB")).astype(int)


def test_a_strip_is_the_same_bytes_every_time():
    for form in ("png", "svg"):
        assert strip(cylinder([5])[..., 0]).file(form) == strip(cylinder([5])[..., 0]).file(form)
    assert strip(None).small() == strip(None).small()


def test_what_is_predicted_is_filled_where_it_is_predicted_and_nowhere_else():
    nothing, disc = np.zeros((20, 20), np.uint8), cylinder([5])[..., 0]
    changed = np.abs(pixels(strip(disc)) - pixels(strip(nothing))).sum(-1) > 60
    columns = np.flatnonzero(changed.any(0))
    assert changed.any()
    assert columns.min() > changed.shape[1] / 2  # the left cell is the reference alone
    yellow = pixels(strip(disc))[changed]
    assert yellow[:, 0].mean() > yellow[:, 2].mean() + 60


def test_svg_says_dice_both_empty_and_missing_apart():
    words = [strip(np.zeros((20, 20), np.uint8)), strip(np.zeros((20, 20), np.uint8), None), strip(None, None)]
    said = [one.file("svg").decode() for one in words]
    for text, own in zip(said, ("Dice 0.50", "both empty", "missing"), strict=True):
        assert [other in text for other in ("Dice 0.50", "both empty", "missing")].count(True) == 1
        assert own in text


@pytest.mark.parametrize(("size", "kept"), [(1, 3), (MOST_BYTES // 2, 2), (MOST_BYTES + 1, 0)])
def test_a_page_has_as_many_pictures_as_it_has_room_for(size, kept):
    pictures = Pictures(draw=lambda: [Picture(str(number), b"x" * size, 9) for number in range(3)])
    assert [picture.title for picture in pictures.drawn()] == ["0", "1", "2"][:kept]
