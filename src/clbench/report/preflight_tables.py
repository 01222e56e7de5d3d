"""What a preflight found, in words and narrow tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from clbench.report.table import Cell, Table
from clbench.store import Json

SHARED = "shared plan"
POLICIES = {
    "shared": "nnU-Net's plan of all training cases together",
    "own": "{task}'s own plan",
    "median": "nnU-Net's plan of the datasets' medians, each dataset counted once",
    "file": "the plans file that the definition names",
}


def preflight_words(name: str, found: Json) -> list[str]:
    """What it comes to, in sentences; ``name`` is the benchmark's."""
    datasets = found["datasets"]
    cases, configuration = sum(entry["cases"] for entry in datasets.values()), found["configuration"]
    differ = _listed(found["differ"]) or "nothing"
    agree = f"; they agree in {_listed(found['agree'])}" if found["agree"] else ""
    policy = POLICIES[found["policy"]["rule"]].format(task=found["policy"]["task"])
    fixed = f"; the definition fixes its {_listed(found['fixed'])}" if found["fixed"] else ""
    derived = [task for task, entry in datasets.items() if entry["own"]["derived"]]
    return [
        f"{name}: {len(datasets)} datasets, {cases} training cases; nothing was trained.",
        f"Planned apart, their {configuration} plans would differ in {differ}{agree}.",
        f"They share {policy}{fixed}. Plan hash {found['plan'][:12]}.",
        *(
            [f"nnU-Net plans no {configuration} for {_listed(derived)}; it was derived by its rules."]
            if derived
            else []
        ),
        *(_loss_words(task, entry["loss"]) for task, entry in datasets.items()),
    ]


def preflight_tables(found: Json) -> list[Table]:
    """Grid, network and normalisation of every plan, and what each dataset loses."""
    plans = {task: entry["own"] for task, entry in found["datasets"].items()} | {SHARED: found["shared"]}
    return [_grids(plans), _networks(plans), _normalisation(plans), _losses(found["datasets"])]


def _loss_words(task: str, loss: Json) -> str:
    voxels = loss["voxels"]
    size = f"keeps {voxels:.0%} of its voxels" if voxels < 1 else f"is inflated to {voxels:.2f} times its voxels"
    if all(abs(factor - 1) < 0.005 for factor in loss["coarser"]):
        size = "keeps its own grid"
    clipped = [f"{share:.1%} of its foreground is clipped" for share in loss["clipped"][:1] if share is not None]
    patch = f"a patch covers {loss['covered']:.0%} of its median image (own plan {loss['covered_by_own']:.0%})"
    return f"- {task} {'; '.join([size, patch, *clipped])}."


def _grids(plans: Json) -> Table:
    rows = [
        (name, _axes(p["spacing"], 2), _axes(p["median_image"]), _axes(p["patch"]), " ".join(map(str, p["axes"])))
        for name, p in plans.items()
    ]
    headers = ("own plan of", "spacing, mm", "median image", "patch", "axis order")
    note = (
        "Axes as images are read (z, y, x for NIfTI); the shared plan's median image is that of what it was made of."
    )
    return _table("Grids", headers, rows, note)


def _networks(plans: Json) -> Table:
    rows = [
        (name, len(p["features"]), " ".join(map(str, p["features"])), _runs(p["strides"]), _runs(p["kernels"]))
        for name, p in plans.items()
    ]
    return _table("Networks", ("own plan of", "stages", "features", "strides", "kernels"), rows,
                  "Per stage, finest first; n* stands for n stages alike.")  # fmt: skip


def _normalisation(plans: Json) -> Table:
    names = ("percentile_00_5", "percentile_99_5", "mean", "std")
    rows = [
        (name, channel, scheme, *(f"{statistics[key]:.1f}" for key in names))
        for name, p in plans.items()
        for channel, (scheme, statistics) in enumerate(zip(p["schemes"], p["intensities"], strict=False))
    ]
    headers = ("own plan of", "channel", "scheme", "clips below", "above", "mean", "sd")
    note = "Intensities of the training cases' foreground; for CT, in HU."
    return replace(_table("Normalisation", headers, rows, note), text_columns=3)


def _losses(datasets: Json) -> Table:
    rows = [(task, *_loss_cells(entry["loss"])) for task, entry in datasets.items()]
    headers = ("dataset", "voxels", "along axes", "covered", "by own", "aniso.", "own", "clipped", "mean", "sd")
    note = (
        "voxels: of its images on the shared grid for each on its own grid. along axes: shared spacing over own. "
        "covered: share of its median image in a patch, and by its own plan. aniso.: coarsest over finest axis. "
        "clipped, mean, sd: its foreground under the shared normalisation; by its own about 1 %, 0 and 1."
    )
    return _table("What each dataset loses by the shared plan", headers, rows, note)


def _loss_cells(loss: Json) -> tuple[Cell, ...]:
    clipped, mean, sd = (loss[key][0] for key in ("clipped", "mean", "sd"))
    return (
        f"{loss['voxels']:.2f}", _axes(loss["coarser"], 2), f"{loss['covered']:.0%}", f"{loss['covered_by_own']:.0%}",
        f"{loss['anisotropy']:.1f}", f"{loss['own_anisotropy']:.1f}",
        None if clipped is None else f"{clipped:.1%}", None if mean is None else f"{mean:.2f}",
        None if sd is None else f"{sd:.2f}",
    )  # fmt: skip


def _table(title: str, headers: tuple[str, ...], rows: Sequence[tuple[Cell, ...]], note: str) -> Table:
    return Table(title, "", headers, tuple(rows), note, text_columns=1)


def _axes(values: Iterable[float], decimals: int = 0) -> str:
    return " ".join(f"{value:.{decimals}f}" for value in values)


def _runs(stages: Iterable[Sequence[int]]) -> str:
    """Stages one after another, equal neighbours counted: ``111 3*222``."""
    runs = [(stage, len(list(alike))) for stage, alike in groupby("".join(map(str, stage)) for stage in stages)]
    return " ".join(stage if count == 1 else f"{count}*{stage}" for stage, count in runs)


def _listed(words: Sequence[Any]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
