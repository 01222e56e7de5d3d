"""The benchmark that methods are tested on: six tasks over the embedded anatomy, three steps of budget a scenario."""

from __future__ import annotations

from typing import Any

from clbench.definitions.models import Benchmark, Files, Resolved, Scenario, TaskCard, Variant

ORGANS = ("liver", "spleen", "kidney", "stomach", "pancreas", "bone")
SCANNERS: tuple[dict[str, float], ...] = (
    {"noise_hu": 10.0}, {"noise_hu": 30.0}, {"slope": 0.9}, {"offset_hu": -40.0}, {"shading_hu": 40.0},
    {"blur_mm": 8.0},
)  # fmt: skip
"""What makes six domains of one organ."""
LENGTH = len(ORGANS)


def cards(scenario: Scenario) -> dict[str, TaskCard]:
    """The six tasks: an organ each, or in domain-incremental learning one organ under six scanners."""
    if scenario == "domain-incremental":
        domains = ((f"liver{number}", scanner) for number, scanner in enumerate(SCANNERS, start=1))
        return {name: _card(name, "liver", scanner) for name, scanner in domains}
    return {organ: _card(organ, organ, SCANNERS[0]) for organ in ORGANS}


def _card(name: str, organ: str, scanner: dict[str, float]) -> TaskCard:
    source = {
        "kind": "anatomy", "scene": "abdomen", "focus": organ, "organs": {organ: organ},
        "spacing": (12.0, 12.0, 12.0), "shape": (20, 20, 20), "scanner": scanner,
    }  # fmt: skip
    content: dict[str, Any] = {
        "name": name, "version": 1, "title": f"{organ}, 12 mm", "modality": "CT", "labels": {organ: (1,)},
        "original_labels": {organ: 1}, "cases": 6, "source": source,
    }  # fmt: skip
    return TaskCard.model_validate(content)


def resolved(scenario: Scenario, length: int, variant: Variant) -> Resolved:
    """One baseline on the first tasks of a scenario; the data are prepared for all six."""
    tasks = cards(scenario)
    return Resolved(
        benchmark=_benchmark(scenario, tuple(tasks)[:length]), tasks=tasks, baselines=(variant,),
        files=Files(benchmark=(), tasks={}, baselines={}, checkpoints={}),
    )  # fmt: skip


def _benchmark(scenario: Scenario, sequence: tuple[str, ...]) -> Benchmark:
    backbone = {
        "configuration": "3d_fullres", "spacing": (12.0, 12.0, 12.0), "patch": (16, 16, 16), "features": (4, 8, 8),
        "mirror": True,
    }  # fmt: skip
    content: dict[str, Any] = {
        "name": "conformance", "version": 1, "title": "Two epochs of two steps a stage", "scenario": scenario,
        "sequence": sequence, "backbone": backbone, "optimizer": {"lr": 0.05, "momentum": 0.9, "warmup": 2},
        "budget": {"epochs": 2, "batch": 2}, "sample": {"train": 4, "val": 1, "seed": 0}, "protocols": {},
        "seeds": (0,),
    }  # fmt: skip
    return Benchmark.model_validate(content)
