"""Names beside the points of a figure: none on another, none on a marker."""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest

from clbench.report.figures.labels import HEIGHT, LETTER, Box, beside_points


def boxes(points: list[tuple[float, float]], names: list[str], drawn: list[Box]) -> list[Box]:
    found = []
    for (x, y), name, ((dx, dy), side) in zip(points, names, beside_points(points, names, drawn), strict=True):
        left = x + dx if side == "left" else x + dx - LETTER * len(name)
        found.append((left, y + dy, left + LETTER * len(name), y + dy + HEIGHT))
    return found


def overlap(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


@pytest.mark.parametrize("seed", range(5))
def test_the_names_of_ten_scattered_methods_lie_on_nothing(seed: int) -> None:
    chance = Random(seed)
    points = [(chance.uniform(60, 340), chance.uniform(40, 210)) for _ in range(10)]
    marks = [(x - 3.5, y - 3.5, x + 3.5, y + 3.5) for x, y in points]
    found = boxes(points, [f"method-{n}" for n in range(10)], marks)
    assert not any(overlap(a, b) for a, b in combinations(found, 2))
    assert not any(overlap(name, mark) for name in found for mark in marks)


def test_of_two_methods_at_one_place_both_can_be_read() -> None:
    first, second = boxes([(100.0, 100.0)] * 2, ["finetune", "blip INERT"], [(96.5, 96.5, 103.5, 103.5)])
    assert not overlap(first, second)


def test_a_name_leaves_an_arm_uncovered() -> None:
    arm = (60.0, 99.0, 160.0, 101.0)
    (name,) = boxes([(100.0, 100.0)], ["replay"], [arm])
    assert not overlap(name, arm)
