"""Figures of online evaluation: what becomes of each task within the stages."""

from __future__ import annotations

from clbench.report.figures.drawing import INK, Drawn, legend, panels
from clbench.report.figures.sequence import baseline_looks
from clbench.report.table import order_words, slug_of, staged, stamped
from clbench.results.model import BaselineSummary, Summary

Points = list[tuple[float, float]]


def monitor_figures(summary: Summary) -> list[Drawn]:
    """Dice of every task over the epochs of all stages, a panel a task; nothing where no stage was monitored."""
    orders = sorted({point.order for point in summary.monitor})
    return [_curves(summary, order) for order in orders]


def _curves(summary: Summary, order: int) -> Drawn:
    tasks = summary.benchmark.orders[order - 1]
    figure, axes = panels(len(tasks), 2, 3.8, 2.2)
    shown = baseline_looks(summary)
    for task, axis in zip(tasks, axes, strict=True):
        for entry in staged(summary):
            look = {**shown[entry.name], "markersize": 2.5, "linewidth": 1.2}
            points = _points(summary, entry, order, task)
            axis.plot([x for x, _ in points], [y for _, y in points], label=stamped(entry), **look)
        for end in range(1, len(tasks)):
            axis.axvline(end, color=INK, alpha=0.25, linewidth=0.6, linestyle=":")
        axis.set(title=task, ylim=(-0.03, 1.03), xlim=(0, len(tasks) + 0.05), xlabel="stages passed")
        axis.set_xticks(range(len(tasks) + 1))
    axes[0].set_ylabel("Dice")
    legend(figure, axes[0])
    words, slug = order_words(summary, order)
    return Drawn(
        f"What becomes of each task within the stages{words}", slug_of("monitor", *slug),
        "Measured with the task's own head while the stages go on, on the preprocessed grid and without mirroring; "
        "at the ends of stages the Dice of the report.", figure,
    )  # fmt: skip


def _points(summary: Summary, entry: BaselineSummary, order: int, task: str) -> Points:
    """Place in the sequence and Dice, within stages and at their ends, from where the task's own stage begins."""
    tasks = summary.benchmark.orders[order - 1]
    column = tasks.index(task)
    ends = [(float(stage), line[column]) for stage, line in enumerate(entry.matrices[order - 1], start=1)]
    within = [
        (point.stage - 1 + point.share, point.dice) for point in summary.monitor
        if (point.baseline, point.order, point.task) == (entry.name, order, task)
    ]  # fmt: skip
    known = [(place, stat.mean) for place, stat in (*ends, *within) if stat is not None and place > column]
    return sorted(known)
