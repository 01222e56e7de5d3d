"""Where the names of points stand, so that they lie neither on each other nor on the points."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""

LETTER, HEIGHT, GAP = 4.6, 9.0, 5.0
"""In points of type: width and height of a letter of size 8, distance from the point."""


def beside_points(points: Sequence[Point], names: Sequence[str], drawn: Sequence[Box]) -> list[tuple[Point, str]]:
    """For every point the offset of its name and the side on which the name begins.

    Args:
        points: where they lie, in points of type.
        names: their names.
        drawn: what must not be written on: markers and their arms, in points of type.

    Returns:
        Offset in points of type, and ``left`` where the name begins at it or ``right`` where it ends there.
    """
    taken = list(drawn)
    found = []
    for point, name in zip(points, names, strict=True):
        best = min(_choices(point, name), key=lambda choice: sum(_shared(choice[2], other) for other in taken))
        taken.append(best[2])
        found.append(best[:2])
    return found


def _choices(point: Point, name: str) -> list[tuple[Point, str, Box]]:
    """Right and left of the point at several heights, the best first."""
    wide, (x, y) = LETTER * len(name), point
    choices: list[tuple[Point, str, Box]] = []
    for shift in (-3.0, 4.0, -10.0, 10.0, -17.0, 17.0, -24.0, 24.0):
        low = y + shift
        choices.append(((GAP, shift), "left", (x + GAP, low, x + GAP + wide, low + HEIGHT)))
        choices.append(((-GAP, shift), "right", (x - GAP - wide, low, x - GAP, low + HEIGHT)))
    return choices


def _shared(a: Box, b: Box) -> float:
    """Area that two boxes have in common."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return wide * high if wide > 0 and high > 0 else 0.0
