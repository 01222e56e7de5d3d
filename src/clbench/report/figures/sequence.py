"""Figures of the sequence: what every task becomes stage by stage, and how far a method bends and holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from clbench.report.figures.drawing import INK, Drawn, legend, looks, panels
from clbench.report.figures.labels import Box, beside_points
from clbench.report.table import order_words, slug_of, staged, stamped
from clbench.results.model import BaselineSummary, Summary
from clbench.results.records import RESERVED
from clbench.results.stat import Stat

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, Stat]
"""Stages passed, and a Dice."""

WITHIN = (
    "Each line begins in the stage where its task is learnt; a fall is forgetting. Markers are the ends of stages, "
    "with the report's Dice and its 95 % interval; in between the task's own head was measured while the stage went "
    "on, on the preprocessed grid and without mirroring."
)

WIDE, HIGH = 400.0, 250.0
"""About the size of the plane's axes, in points of type."""


def forgetting_figures(summary: Summary) -> list[Drawn]:
    """Dice of every task over the stages, a panel a task and a line a baseline; one figure for each order."""
    return [_curves(summary, order) for order in range(1, len(summary.benchmark.orders) + 1) if staged(summary)]


def plane_figures(summary: Summary) -> list[Drawn]:
    """How well tasks are learnt against how much of the earlier ones is lost; nothing where neither is known."""
    points = [(entry, entry.metrics.learning_accuracy, entry.metrics.backward_transfer) for entry in staged(summary)]
    known = [(entry, learnt, kept) for entry, learnt, kept in points if learnt and kept]
    if not known:
        return []
    figure, (axes,) = panels(1, 1, 6.4, 4.0)
    shown = baseline_looks(summary)
    for entry, learnt, kept in known:
        look = {**shown[entry.name], "linestyle": "none", "elinewidth": 0.8}
        axes.errorbar(learnt.mean, kept.mean, xerr=_arms(learnt), yerr=_arms(kept), **look)
    axes.set(xlabel="learning accuracy: mean Dice right after learning", ylabel="BWT: change of it to the end")
    axes.margins(0.16)
    _name(axes, known)
    return [Drawn(
        "Plasticity against stability", "plasticity-stability",
        "Right: learns its tasks well. Up: loses little of the earlier ones; a frozen network is up and left. "
        "The arms are 95 % intervals.",
        figure,
    )]  # fmt: skip


def _arms(stat: Stat) -> list[list[float]] | None:
    """How far the interval reaches down and up."""
    band = stat.interval
    return [[max(0.0, stat.mean - band.low)], [max(0.0, band.high - stat.mean)]] if band else None


def _name(axes: Axes, known: Sequence[tuple[BaselineSummary, Stat, Stat]]) -> None:
    """Names beside the points; how large the axes will be is known only when they are drawn, so roughly."""
    (left, right), (low, top) = axes.get_xlim(), axes.get_ylim()

    def scaled(x: float, y: float) -> tuple[float, float]:
        return (x - left) / (right - left) * WIDE, (y - low) / (top - low) * HIGH

    points = [scaled(learnt.mean, kept.mean) for _, learnt, kept in known]
    drawn = [box for _, learnt, kept in known for box in _cross(learnt, kept, scaled)]
    names = [stamped(entry) for entry, *_ in known]
    places = zip(known, names, beside_points(points, names, drawn), strict=True)
    for (_, learnt, kept), name, (offset, side) in places:
        place = (learnt.mean, kept.mean)
        axes.annotate(name, place, offset, textcoords="offset points", ha=side, fontsize=8, color=INK)


def _cross(learnt: Stat, kept: Stat, scaled: Callable[[float, float], tuple[float, float]]) -> list[Box]:
    """The boxes of a marker, of its horizontal and of its vertical arms, in points of type."""
    x, y = scaled(learnt.mean, kept.mean)
    (left, low), (right, top) = (scaled(*ends) for ends in zip(_ends(learnt), _ends(kept), strict=True))
    return [(x - 3.5, y - 3.5, x + 3.5, y + 3.5), (left, y - 1, right, y + 1), (x - 1, low, x + 1, top)]


def _ends(stat: Stat) -> tuple[float, float]:
    return (stat.interval.low, stat.interval.high) if stat.interval else (stat.mean, stat.mean)


def baseline_looks(summary: Summary) -> dict[str, dict[str, Any]]:
    """Colour and marker by baseline."""
    names = [entry.name for entry in summary.baselines]
    return looks(names, [name for name in names if name in RESERVED])


def _curves(summary: Summary, order: int) -> Drawn:
    tasks = summary.benchmark.orders[order - 1]
    within = any(point.order == order for point in summary.monitor)
    figure, axes = panels(len(tasks), 2, 3.8, 2.2) if within else panels(len(tasks), *_layout(len(tasks)))
    shown = baseline_looks(summary)
    for column, (task, axis) in enumerate(zip(tasks, axes, strict=True)):
        for entry in staged(summary):
            cells = [(stage, line[column]) for stage, line in enumerate(entry.matrices[order - 1], 1)]
            ends = [(stage, cell) for stage, cell in cells if cell is not None and stage > column]
            between = stages_between(summary, entry, order, task)
            draw = _path if within else _line
            draw(axis, ends, between, stamped(entry), shown[entry.name])
        axis.set(title=task, ylim=(-0.03, 1.03), xlim=(0.8, len(tasks) + 0.2), xlabel="stage")
        axis.set_xticks(range(1, len(tasks) + 1))
        if within:
            _from_the_start(axis, len(tasks))
    axes[0].set_ylabel("Dice")
    legend(figure, axes[0])
    words, slug = order_words(summary, order)
    note = WITHIN if within else (
        "Each line begins where its task is learnt; a fall is forgetting. The band is the 95 % interval."
    )
    return Drawn(f"What becomes of each task{words}", slug_of("forgetting", *slug), note, figure)


def _layout(count: int) -> tuple[int, float, float]:
    """How many panels side by side, and their size."""
    return 3 if count in (3, 5, 6, 9) else 4, 2.4, 2.2


def stages_between(summary: Summary, entry: BaselineSummary, order: int, task: str) -> list[Point]:
    """Stages passed and Dice within stages, from where the task's own begins; none where they were not monitored."""
    column = summary.benchmark.orders[order - 1].index(task)
    return [
        (point.stage - 1 + point.share, point.dice) for point in summary.monitor
        if (point.baseline, point.order, point.task) == (entry.name, order, task) and point.stage > column
    ]  # fmt: skip


def _line(axis: Axes, ends: Sequence[Point], between: Sequence[Point], name: str, look: dict[str, Any]) -> None:
    stages = [stage for stage, _ in ends]
    axis.plot(stages, [cell.mean for _, cell in ends], label=name, **look)
    bands = [cell.interval for _, cell in ends if cell.interval]
    if len(bands) == len(ends):
        low, high = [band.low for band in bands], [band.high for band in bands]
        axis.fill_between(stages, low, high, color=look["color"], alpha=0.12, linewidth=0)


def _path(axis: Axes, ends: Sequence[Point], between: Sequence[Point], name: str, look: dict[str, Any]) -> None:
    """A line through the stages, marked at their ends, where it has its interval."""
    points = sorted([*ends, *between], key=lambda point: point[0])
    marked = [place for place, point in enumerate(points) if point in ends]
    thin = {**look, "linewidth": 1.2}
    axis.plot([x for x, _ in points], [stat.mean for _, stat in points], label=name, markevery=marked, **thin)
    for stage, cell in ends:
        if cell.interval:
            axis.vlines(stage, cell.interval.low, cell.interval.high, color=look["color"], alpha=0.4, linewidth=0.8)


def _from_the_start(axis: Axes, stages: int) -> None:
    """An axis of the stages that have passed, with a line where one ends."""
    axis.set(xlim=(0, stages + 0.06), xlabel="stages passed")
    axis.set_xticks(range(stages + 1))
    for end in range(1, stages):
        axis.axvline(end, color=INK, alpha=0.25, linewidth=0.6, linestyle=":")
