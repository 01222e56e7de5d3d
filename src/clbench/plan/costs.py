"""What a plan's jobs cost on an accelerator: time, disk and memory, from the network's size and counted work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from clbench.definitions.models import Resolved
from clbench.plan.jobs import SLOWER
from clbench.plan.network import Network
from clbench.plan.records import Job, Plan, PrepareSpec, StageSpec

SECONDS_PER_FLOP = 0.060 / 5.72e12
"""An A100 in mixed precision: a step of nnU-Net's usual network, two patches of 128 voxels a side, 5.72 tera
operations forward and backward, in about 60 ms. An estimate, not a measurement."""
CASE_SECONDS = 16.0
"""To bring a prediction of two classes to a native grid of 512 x 512 x 130 and measure it, on one core: measured."""
MEMORY_PER_VALUE = 8e9 / (2 * 32 * 128**3)
"""Bytes of device memory for each value of the finest feature maps of a batch: nnU-Net plans its patch so that
training takes about 8 GB."""
PATCHES_IN_IMAGE = 4
"""A median image of ``3d_lowres``, in patches: nnU-Net lowers the resolution until a patch is a quarter of it."""
MODEL = 8
"""Bytes a parameter of a model on disk: weight and momentum, float32."""
BUFFERS = {"ewc": 1.0, "mas": 1.0, "si": 1.0, "rwalk": 3.0, "blip": 1.3, "gpm": 8.0}
"""What a method leaves for the next stage, in float32 numbers per parameter, where it leaves anything large."""


@dataclass(frozen=True)
class Step:
    """How long an optimiser step of plain fine-tuning takes on a device, and how that is known.

    Attributes:
        seconds: of a batch as the benchmark has it.
        source: in words.
        measured: on a device of this machine.
    """

    seconds: float
    source: str
    measured: bool


@dataclass(frozen=True)
class Cost:
    """Of one job.

    Attributes:
        seconds: with an accelerator.
        disk: bytes that stay.
        memory: bytes on the accelerator.
    """

    seconds: float
    disk: float
    memory: float


def planned_network(resolved: Resolved, plans: dict[str, Any] | None) -> Network:
    """The network of a benchmark: its plan's if it is prepared, else nnU-Net's usual one with what is fixed."""
    if plans is not None:
        (configuration,) = plans["configurations"].values()
        return Network.planned(configuration)
    backbone = resolved.benchmark.backbone
    return Network.nominal(backbone.patch, backbone.features)


def tabled_step(network: Network, batch: int) -> Step:
    """From counted work; a backward pass is twice a forward pass."""
    seconds = 3 * batch * network.forward_flop * SECONDS_PER_FLOP
    return Step(seconds, "an estimate: an A100 in mixed precision at 60 ms for 5.72 TFLOP", False)


def job_cost(job: Job, data: PrepareSpec, network: Network, step: Step) -> Cost:
    """Time, disk and memory of a job of a plan that prepares ``data``."""
    if job.kind == "prepare":
        return Cost(job.seconds, _prepared_bytes(data, network), 0.0)
    spec = StageSpec.model_validate(job.spec)
    models = 1 + len(spec.snapshots)
    cases = sum(data.counts[task][1] for task in job.evaluate)
    training = spec.epochs * spec.iterations * step.seconds * SLOWER.get(spec.method, 1.0)
    prediction = _passes(spec) * step.seconds / (3 * spec.batch) + CASE_SECONDS
    values = spec.batch * network.features[0] * network.voxels
    disk = network.parameters * (models * MODEL + 4 * BUFFERS.get(spec.method, 0.0))
    return Cost(training + models * cases * prediction, disk, MEMORY_PER_VALUE * values)


def gpu_seconds(plan: Plan) -> dict[str, float]:
    """How long each job of a plan takes with an accelerator, without anything measured or prepared."""
    assert plan.resolved is not None
    network, data = planned_network(plan.resolved, None), PrepareSpec.model_validate(plan.preparation.spec)
    step = tabled_step(network, plan.resolved.benchmark.budget.batch)
    return {job.id: job_cost(job, data, network, step).seconds for job in plan.jobs}


def _passes(spec: StageSpec) -> int:
    """Forward passes for a case: tiles that overlap by half, each mirrored along all axes."""
    along = math.ceil((PATCHES_IN_IMAGE ** (1 / 3) - 1) * 2) + 1
    return int(along**3 * (8 if spec.mirror else 1))


def _prepared_bytes(spec: PrepareSpec, network: Network) -> float:
    """Image as float32 and label as int8 of every case, before compression."""
    cases = sum(sum(spec.counts[task]) for task in spec.tasks)
    return float(cases * PATCHES_IN_IMAGE * network.voxels * 5)
