"""Figures of transfer: how fast a held-out task is learnt from each backbone."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from clbench.definitions.protocols import BESIDE
from clbench.report.figures.drawing import BOUND, Drawn, legend, looks, panels
from clbench.report.figures.sequence import baseline_looks
from clbench.report.table import labels, slug_of
from clbench.results.model import Summary, TransferPoint
from clbench.results.records import RESERVED


def transfer_figures(summary: Summary) -> list[Drawn]:
    """Dice over epochs, a panel for each share of the cases; one figure for each held-out task."""
    by_target = groupby(summary.transfer, key=lambda point: point.target)
    return [_curves(summary, target, list(points)) for target, points in by_target]


def _curves(summary: Summary, target: str, points: list[TransferPoint]) -> Drawn:
    fractions = sorted({point.fraction for point in points})
    figure, axes = panels(len(fractions), 3, 3.8, 2.9)
    names, shown = labels(summary), _looks(summary)
    for fraction, axis in zip(fractions, axes, strict=True):
        chosen = [point for point in points if point.fraction == fraction and point.dice]
        for name in dict.fromkeys(point.baseline for point in chosen):
            curve = [(point.epoch, point.dice.mean) for point in chosen if point.baseline == name and point.dice]
            axis.plot(
                [epoch for epoch, _ in curve], [dice for _, dice in curve], label=names.get(name, name), **shown[name]
            )  # fmt: skip
        axis.set(xlabel="epochs on the held-out task", ylim=(-0.03, 1.03))
        if len(fractions) > 1:
            axis.set_title(f"{fraction:.0%} of the cases")
    axes[0].set_ylabel("Dice")
    legend(figure, axes[0])
    return Drawn(
        f"Transfer to {target}", slug_of("transfer", target),
        "Each line starts from another backbone; the dashed one from a fresh network. Dotted: on another schedule.",
        figure, "Transfer",
    )  # fmt: skip


def _looks(summary: Summary) -> dict[str, dict[str, Any]]:
    """Backbones of the benchmark look as they do elsewhere, those from outside have looks of their own."""
    own = baseline_looks(summary)
    backbones = dict.fromkeys(point.baseline.partition(BESIDE)[0] for point in summary.transfer)
    strangers = [name for name in backbones if name not in own and name != "from-scratch"]
    known = looks([*own, *strangers], [name for name in own if name in RESERVED])
    known["from-scratch"] = {"color": BOUND, "marker": "_", "linestyle": "--"}
    lines = {point.baseline: point.baseline.partition(BESIDE) for point in summary.transfer}
    return {name: {"linestyle": ":" if schedule else "-", **known[backbone]}
            for name, (backbone, _, schedule) in lines.items()}  # fmt: skip
