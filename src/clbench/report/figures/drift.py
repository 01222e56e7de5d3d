"""Figures of representation drift: what later stages leave of a task's features, and where tasks lie at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clbench.report.drift_tables import SECTION
from clbench.report.figures.drawing import INK, MARKERS, Drawn, legend, panels
from clbench.report.figures.sequence import baseline_looks
from clbench.report.table import order_words, slug_of, staged, stamped
from clbench.results.drift_rows import MapRow
from clbench.results.model import PARTS, DriftPoint, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TASKS = ("#4f86c6", "#ee6677", "#2f9e55", "#ccbb44", "#aa3377", "#66ccee", "#997700", "#bb5566", "#44aa99", "#8877cc")
"""Colours for tasks, none of which a baseline has."""


def drift_figures(summary: Summary, maps: Sequence[MapRow]) -> list[Drawn]:
    """Similarity over the stages and over the layers, for each order, and maps of the last stage's features."""
    orders = sorted({point.order for point in summary.drift.points})
    ended = {point.order for point in summary.drift.points if point.stage == len(summary.benchmark.sequence)}
    figures = [[_stages(summary, order), *([_layers(summary, order)] if order in ended else [])] for order in orders]
    return [*(figure for drawn in figures for figure in drawn), *_maps(summary, maps)]


def _stages(summary: Summary, order: int) -> Drawn:
    """A line of panels a part of the network, a column a task that others follow."""
    tasks = summary.benchmark.orders[order - 1]
    figure, axes = panels(len(PARTS) * (len(tasks) - 1), len(tasks) - 1, 2.4, 1.75)
    for place, axis in enumerate(axes):
        part, column = PARTS[place // (len(tasks) - 1)], place % (len(tasks) - 1)
        for name, label, points in _of(summary, order, tasks[column]):
            known = [(point.stage, point.cka.mean) for point in points if point.layer == part]
            _line(axis, [(column + 1, 1.0), *known] if known else [], label, summary, name)
        _frame(axis, tasks[column] if place < len(tasks) - 1 else "", part if not column else "")
        axis.set_xlim(0.8, len(tasks) + 0.2)
        axis.set_xticks(range(1, len(tasks) + 1))
        if place >= len(axes) - len(tasks) + 1:
            axis.set_xlabel("stage")
    legend(figure, axes[0])
    words, slug = order_words(summary, order)
    return Drawn(
        f"How much of each task's representation is left{words}", slug_of("drift-stages", *slug),
        "Linear CKA of the features of the task's cases with those of the network right after the task's own stage, "
        "where each line begins at 1; a fall is drift. The mean over the layers of encoder, bottleneck and decoder.",
        figure, SECTION,
    )  # fmt: skip


def _layers(summary: Summary, order: int) -> Drawn:
    """A panel a task that others follow, all layers after the last stage."""
    tasks = summary.benchmark.orders[order - 1]
    layers = list(dict.fromkeys(point.layer for point in summary.drift.points if point.layer not in PARTS))
    figure, axes = panels(len(tasks) - 1, 4, 2.9, 2.2)
    for task, axis in zip(tasks, axes, strict=False):
        for name, label, points in _of(summary, order, task):
            at_end = {point.layer: point.cka.mean for point in points if point.stage == len(tasks)}
            known = [(place, at_end[layer]) for place, layer in enumerate(layers) if layer in at_end]
            _line(axis, known, label, summary, name)
        _frame(axis, task, "")
        axis.set_xticks(range(len(layers)), [layer[0] + layer.rpartition(".")[2] for layer in layers])
        axis.set_xlabel("layer")
    axes[0].set_ylabel("CKA")
    legend(figure, axes[0])
    words, slug = order_words(summary, order)
    return Drawn(
        f"Which layers drift{words}", slug_of("drift-layers", *slug),
        "The same after the last stage, layer by layer as an image passes them: e0 is the encoder's first stage, "
        "d0 the decoder's coarsest.", figure, SECTION,
    )  # fmt: skip


def _of(summary: Summary, order: int, task: str) -> list[tuple[str, str, list[DriftPoint]]]:
    """Name, label and points of every baseline that learns stage by stage."""
    return [
        (entry.name, stamped(entry), [
            point for point in summary.drift.points
            if (point.baseline, point.order, point.task) == (entry.name, order, task)
        ])
        for entry in staged(summary)
    ]  # fmt: skip


def _line(axis: Axes, points: list[tuple[int, float]], label: str, summary: Summary, name: str) -> None:
    axis.plot([x for x, _ in points], [y for _, y in points], label=label, **baseline_looks(summary)[name])


def _frame(axis: Axes, title: str, part: str) -> None:
    axis.set(title=title, ylim=(-0.03, 1.03))
    if part:
        axis.set_ylabel(f"{part}\nCKA")


def _maps(summary: Summary, maps: Sequence[MapRow]) -> list[Drawn]:
    layers = list(dict.fromkeys(row.layer for row in sorted(maps, key=lambda row: row.layer[0], reverse=True)))
    orders = sorted({row.order for row in maps})
    return [_map(summary, maps, layer, order) for order in orders for layer in layers]


def _map(summary: Summary, maps: Sequence[MapRow], layer: str, order: int) -> Drawn:
    """A panel a baseline, a point a voxel, a colour a task."""
    seed = min(row.seed for row in maps)
    shown = [row for row in maps if (row.layer, row.order, row.seed) == (layer, order, seed)]
    entries = [entry for entry in staged(summary) if any(row.baseline == entry.name for row in shown)]
    figure, axes = panels(len(entries), 4, 2.2, 2.2)
    for entry, axis in zip(entries, axes, strict=True):
        for place, task in enumerate(summary.benchmark.orders[order - 1]):
            points = [row for row in shown if (row.baseline, row.task) == (entry.name, task)]
            look: dict[str, Any] = {"color": TASKS[place % len(TASKS)], "marker": MARKERS[place % len(MARKERS)]}
            axis.plot([row.x for row in points], [row.y for row in points], linestyle="none", markersize=2.6,
                      markeredgewidth=0, alpha=0.8, label=task, **look)  # fmt: skip
        axis.set(title=stamped(entry), xticks=(), yticks=())
        axis.spines[["top", "right"]].set(visible=True, color=INK, linewidth=0.6)
        axis.set_box_aspect(1)
    legend(figure, axes[0], markers=2.0)
    words, slug = order_words(summary, order)
    where = "bottleneck" if layer.startswith("encoder") else "decoder's last stage"
    return Drawn(
        f"Features of the {where} after the last stage{words}", slug_of("tsne", layer.partition(".")[0], *slug),
        f"t-SNE of sampled voxels of all tasks' reported cases, seed {seed}. Near points have like features; "
        "distances between groups, their sizes, and one panel against another mean nothing.", figure, SECTION,
    )  # fmt: skip
