"""Draw how tasks are kept or forgotten: the Dice of every task after every stage of a run, by baseline.

From the repository's root, after ``make benchmark``::

    .venv/bin/python docs/make_picture.py reports/mini-organs docs/forgetting.svg
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clbench.results.matrix import Matrix, dice, mean, stage_matrix
from clbench.results.rows import Row, read_rows

LOOKS = (("#D55E00", "o"), ("#0072B2", "s"), ("#009E73", "^"), ("#CC79A7", "D"))
"""Colours that people with colour blindness tell apart, and a marker for print in grey."""


def main() -> None:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run's folder, with rows.csv in it")
    parser.add_argument("picture", type=Path, help="the file to write; its ending says which kind (.svg, .png, .pdf)")
    parser.add_argument("--baselines", nargs="+", default=["finetune", "replay"], metavar="NAME")
    words = parser.parse_args()
    rows = [row for row in read_rows(words.run / "rows.csv") if row.protocol == "continual"]
    pyplot.rcParams.update({"svg.hashsalt": "clbench", "font.size": 9})
    metadata = {"Date": None} if words.picture.suffix == ".svg" else None
    draw(rows, words.baselines).savefig(words.picture, dpi=150, facecolor="white", metadata=metadata)


def draw(rows: Sequence[Row], baselines: Sequence[str]) -> Figure:
    """One panel per task; a line per baseline, from the stage in which the task was learnt to the last."""
    sequence = sequence_of(rows)
    figure, panels = pyplot.subplots(
        1, len(sequence), sharey=True, figsize=(2.3 * len(sequence), 2.9), layout="constrained", squeeze=False
    )
    for task, panel in enumerate(panels[0]):
        for baseline, look in zip(baselines, LOOKS, strict=False):
            draw_line(panel, mean_matrix(rows, baseline, sequence), task, baseline, look)
        dress(panel, sequence, task)
    panels[0, 0].set_ylabel("Dice of the task")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


def sequence_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """The tasks in the order in which they were learnt."""
    return tuple(task for _, task in sorted({(row.stage, row.trained_on) for row in rows}))


def mean_matrix(rows: Sequence[Row], baseline: str, sequence: Sequence[str]) -> Matrix:
    """Dice, stages by tasks, averaged over the seeds."""
    mine = [row for row in rows if row.baseline == baseline]
    if not mine:
        known = ", ".join(sorted({row.baseline for row in rows}))
        raise SystemExit(f"this run has no continual baseline {baseline!r}; it has {known}")
    seeds = sorted({row.seed for row in mine})
    matrices = [stage_matrix([row for row in mine if row.seed == seed], sequence, dice) for seed in seeds]
    return tuple(tuple(mean(cell) for cell in zip(*lines, strict=True)) for lines in zip(*matrices, strict=True))


def draw_line(panel: Axes, matrix: Matrix, task: int, baseline: str, look: tuple[str, str]) -> None:
    """What became of one task."""
    colour, marker = look
    found = [(stage, line[task]) for stage, line in enumerate(matrix, start=1) if stage > task]
    stages = [stage for stage, value in found if value is not None]
    values = [value for _, value in found if value is not None]
    panel.plot(stages, values, color=colour, marker=marker, label=baseline, linewidth=1.8, clip_on=False)


def dress(panel: Axes, sequence: Sequence[str], task: int) -> None:
    """Title, axes and the stages before the task had a head."""
    panel.set_title(f"{sequence[task]}, learnt in stage {task + 1}", fontsize=9)
    panel.axvspan(0.5, task + 0.5, color="#eeeeee", linewidth=0)
    panel.set_xlim(0.5, len(sequence) + 0.5)
    panel.set_ylim(0, 1)
    panel.set_xticks(range(1, len(sequence) + 1), [name.removeprefix("mini-") for name in sequence], rotation=35)
    panel.set_xlabel("after learning")
    panel.grid(axis="y", color="#dddddd", linewidth=0.6)
    panel.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
