"""Learning curves on the held-out tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from clbench.report.table import Cell, Table, labels, several_orders, slug_of
from clbench.results.model import Summary, TransferPoint


def transfer_tables(summary: Summary) -> list[Table]:
    """Dice over epochs on every held-out task, one table per task and fraction."""
    return [_transfer_table(summary, points) for points in _by_setting(summary.transfer)]


def transfer_volume_tables(summary: Summary) -> list[Table]:
    """Predicted beside reference volumes over epochs on every held-out task."""
    return [_transfer_volume_table(summary, points) for points in _by_setting(summary.transfer)]


def transfer_excluded_tables(summary: Summary) -> list[Table]:
    """How much of a held-out task's Dice is undefined, where any of it is."""
    settings = _by_setting(summary.transfer)
    return [_excluded_table(summary, points) for points in settings if any(one.excluded for one in points)]


def _transfer_table(summary: Summary, points: Sequence[TransferPoint]) -> Table:
    names, (words, slug), epochs = labels(summary), _setting_words(points[0]), _epochs(points)
    return Table(
        title=f"Transfer to {words}: Dice over epochs",
        slug=f"transfer-{slug}",
        headers=(
            "backbone",
            *(f"epoch {epoch}" for epoch in epochs),
            *(f"gain at {epoch}" for epoch in epochs),
        ),
        rows=tuple(
            (names.get(name, name), *_cells(curve, epochs, "dice"), *_gains(name, curve, epochs))
            for name, curve in _curves(points).items()
        ),
        note="The held-out task is learnt from each backbone; gain is the Dice above from-scratch training "
        f"at the same epoch.{_order_note(summary)}",
        section="Transfer",
        common=_common(points[0]),
    )


def _transfer_volume_table(summary: Summary, points: Sequence[TransferPoint]) -> Table:
    names, (words, slug), epochs = labels(summary), _setting_words(points[0]), _epochs(points)
    reference = summary.reference_ml.get(points[0].target)
    return Table(
        title=f"Transfer to {words}: mean predicted volume of a case, ml",
        slug=f"transfer-volume-{slug}",
        headers=("backbone", *(f"epoch {epoch}" for epoch in epochs), "reference"),
        rows=tuple(
            (names.get(name, name), *_cells(curve, epochs, "predicted_ml"), reference)
            for name, curve in _curves(points).items()
        ),
        note=f"A Dice of zero beside a volume of zero says that nothing is predicted yet.{_order_note(summary)}",
        section="Predicted volume",
        decimals=1,
    )


def _excluded_table(summary: Summary, points: Sequence[TransferPoint]) -> Table:
    names, (words, slug), epochs = labels(summary), _setting_words(points[0]), _epochs(points)
    return Table(
        title=f"Transfer to {words}: excluded, reference and prediction both empty",
        slug=f"transfer-excluded-{slug}",
        headers=("backbone", *(f"epoch {epoch}" for epoch in epochs)),
        rows=tuple(
            (names.get(name, name), *_cells(curve, epochs, "excluded")) for name, curve in _curves(points).items()
        ),
        note=f"Pairs of case and label over all seeds that have no Dice and are in no mean.{_order_note(summary)}",
        section="Predicted volume",
    )


def _common(point: TransferPoint) -> dict[str, object]:
    return {"protocol": "transfer", "task": point.target, "fraction": point.fraction, "metric": "dice"}


def _order_note(summary: Summary) -> str:
    return " Backbones that learnt the tasks one after another did so in order 1." if several_orders(summary) else ""


def _cells(curve: Sequence[TransferPoint], epochs: Sequence[int], what: str) -> list[Cell]:
    """One number of a curve at all epochs; behind the end of a shorter training none applies."""
    known = {point.epoch: getattr(point, what) for point in curve}
    return [known.get(epoch, "") for epoch in epochs]


def _gains(name: str, curve: Sequence[TransferPoint], epochs: Sequence[int]) -> list[Cell]:
    return [""] * len(epochs) if name == "from-scratch" else _cells(curve, epochs, "gain")


def _by_setting(points: Iterable[TransferPoint]) -> list[list[TransferPoint]]:
    return [list(group) for _, group in groupby(points, key=lambda point: (point.target, point.fraction))]


def _curves(points: Sequence[TransferPoint]) -> dict[str, list[TransferPoint]]:
    names = dict.fromkeys(point.baseline for point in points)
    return {name: [point for point in points if point.baseline == name] for name in names}


def _epochs(points: Sequence[TransferPoint]) -> list[int]:
    return sorted({point.epoch for point in points})


def _setting_words(point: TransferPoint) -> tuple[str, str]:
    """Words and slug of a held-out task and the share of its cases."""
    if point.fraction == 1.0:
        return point.target, slug_of(point.target)
    return f"{point.target}, {point.fraction:.0%} of its cases", slug_of(point.target, f"{point.fraction:g}")
