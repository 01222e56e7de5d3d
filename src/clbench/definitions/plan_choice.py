"""What must hold of the task or the file that a backbone takes its plan from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clbench.definitions.models import Backbone, Benchmark, PlansFrom
from clbench.definitions.plans_file import inherited, read_plans, unprepared, untrainable
from clbench.definitions.reading import Finding
from clbench.definitions.suggest import suggestion
from clbench.definitions.yaml_source import KeyPath

PLANS: KeyPath = ("backbone", "plans")
TARGET: KeyPath = (*PLANS, "target")
FILE: KeyPath = (*PLANS, "file")
GRID = ("spacing", "patch", "features")


def plans_findings(benchmark: Benchmark, file: Path | None, channels: int | None = None) -> Iterator[Finding]:
    """Plans of tasks that are not there or not the only ones meant, and files that can't be used.

    Args:
        benchmark: the definition.
        file: the plans file that it names, if it does.
        channels: of the tasks' images; None if no task is known.
    """
    plans, transfer = benchmark.backbone.plans, benchmark.protocols.transfer
    targets = transfer.targets if transfer else ()
    tasks = (*benchmark.sequence, *targets)
    if plans == "target" and len(targets) != 1:
        example = f", for instance {{target: {tasks[-1]}}}" if tasks else ""
        yield PLANS, f"target: {_which(targets)}; write {{target: TASK}}{example}"
    if isinstance(plans, PlansFrom) and plans.target is not None and plans.target not in tasks:
        yield TARGET, f"{plans.target!r} is no task of this definition; {suggestion(plans.target, set(tasks))}"
    if file is not None:
        yield from _file_findings(benchmark.backbone, file, channels)


def _which(targets: tuple[str, ...]) -> str:
    if not targets:
        return "there is no held-out task, protocols.transfer is left out"
    return f"there are several held-out tasks, {', '.join(targets)}"


def _file_findings(backbone: Backbone, file: Path, channels: int | None) -> Iterator[Finding]:
    for key in GRID:
        if getattr(backbone, key) is not None:
            yield ("backbone", key), "the plans file says it; leave it out here, or change a copy of the file"
    try:
        document = read_plans(file)
        configurations = document["configurations"]
    except ValueError as error:
        yield FILE, str(error)
        return
    name = backbone.configuration
    if name not in configurations:
        yield FILE, f"{file} has no configuration {name}; it has {', '.join(configurations) or 'none'}"
        return
    try:
        whole = inherited(configurations, name)
        problems = [*untrainable(whole)] or [*unprepared(document, whole, channels)]
        yield from ((FILE, f"{file}: configurations.{name}: {problem}") for problem in problems)
    except ValueError as error:
        yield FILE, f"{file}: {error}"
