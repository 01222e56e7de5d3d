"""What must hold of the task or the file that a backbone takes its plan from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clbench.definitions.json_source import read_json
from clbench.definitions.models import Backbone, Benchmark, PlansFrom
from clbench.definitions.reading import Finding
from clbench.definitions.suggest import suggestion
from clbench.definitions.yaml_source import KeyPath

PLANS: KeyPath = ("backbone", "plans")
TARGET: KeyPath = (*PLANS, "target")
FILE: KeyPath = (*PLANS, "file")
NEEDED = ("transpose_forward", "transpose_backward", "foreground_intensity_properties_per_channel")
GRID = ("spacing", "patch", "features")


def read_plans(file: Path) -> dict[str, Any]:
    """nnU-Net's plans document in a file.

    Raises:
        ValueError: it can't be read, or is none; the message says why.
    """
    document = read_json(file)
    if not isinstance(document, dict) or not isinstance(document.get("configurations"), dict):
        raise ValueError(f"{file} is no plans file of nnU-Net v2, such as nnUNetPlans.json")
    if lacking := [key for key in NEEDED if key not in document]:
        raise ValueError(f"{file} is no whole plans file of nnU-Net v2: it lacks {', '.join(lacking)}")
    return document


def plans_findings(benchmark: Benchmark, file: Path | None) -> Iterator[Finding]:
    """Plans of tasks that are not there or not the only ones meant, and files that can't be used.

    Args:
        benchmark: the definition.
        file: the plans file that it names, if it does.
    """
    plans, transfer = benchmark.backbone.plans, benchmark.protocols.transfer
    targets = transfer.targets if transfer else ()
    tasks = (*benchmark.sequence, *targets)
    if plans == "target" and len(targets) != 1:
        yield PLANS, f"target: {_which(targets)}; write {{target: TASK}}, for instance {{target: {tasks[-1]}}}"
    if isinstance(plans, PlansFrom) and plans.target is not None and plans.target not in tasks:
        yield TARGET, f"{plans.target!r} is no task of this definition; {suggestion(plans.target, set(tasks))}"
    if file is not None:
        yield from _file_findings(benchmark.backbone, file)


def _which(targets: tuple[str, ...]) -> str:
    if not targets:
        return "there is no held-out task, protocols.transfer is left out"
    return f"there are several held-out tasks, {', '.join(targets)}"


def _file_findings(backbone: Backbone, file: Path) -> Iterator[Finding]:
    for key in GRID:
        if getattr(backbone, key) is not None:
            yield ("backbone", key), "the plans file says it; leave it out here, or change a copy of the file"
    try:
        has = list(read_plans(file)["configurations"])
    except ValueError as error:
        yield FILE, str(error)
        return
    if backbone.configuration not in has:
        yield FILE, f"{file} has no configuration {backbone.configuration}; it has {', '.join(has) or 'none'}"
