"""Tables of the distances between surfaces; only for a run that asked for them."""

from __future__ import annotations

from clbench.report.table import Table, counted, labels
from clbench.results.model import Summary

UNIT = {"nsd": "NSD ↑", "hd95_mm": "HD95 in mm ↓"}


def surface_tables(summary: Summary) -> tuple[Table, ...]:
    """All tasks at the end by every metric of surfaces that was asked for."""
    asked = [metric for metric in UNIT if any(getattr(entry, metric) for entry in summary.surfaces)]
    return tuple(_table(summary, metric) for metric in asked)


def _table(summary: Summary, metric: str) -> Table:
    names = labels(summary)
    return Table(
        title=f"Surface metrics: {UNIT[metric]}, all tasks at the end",
        slug=f"surface-{metric.removesuffix('_mm')}",
        headers=("baseline", *summary.benchmark.sequence, "one empty"),
        rows=tuple(
            (names[entry.baseline], *getattr(entry, metric), sum(entry.one_empty)) for entry in summary.surfaces
        ),
        note=_note(metric),
        section="Surface metrics",
        common={"metric": metric},
        decimals=3 if metric == "nsd" else 1,
        counted=counted(summary),
    )


def _note(metric: str) -> str:
    what, worst = {
        "nsd": ("share of both surfaces that lies within the task's tolerance of the other", "0"),
        "hd95_mm": ("larger of the two directed 95th percentiles of distance", "the image's diagonal"),
    }[metric]
    return (
        f"Mean over cases of the {what}. Where reference and prediction are both empty there is no value; where one "
        f"of them is, it is {worst}: the last column counts such pairs of case and label."
    )
