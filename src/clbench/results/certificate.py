"""The certificate: one seed's stages begun at the reference's networks, judged where equal bits can't be asked for.

From the same network, rounding moves the weights of six iterations by some millionths of the way they go. Now and
then it crosses a discontinuity (a quantised weight, a leaky rectifier) and moves those of one stage by up to half a
thousandth. A change of five per cent of a method's strength moves those of all its stages by about half a thousandth
and more. So each stage is compared by a wide tolerance, and the nearest stage of each baseline by a narrow one. The
reference's last networks, predicted here, show the same of evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from pydantic import Field

from clbench.results.arrays import Trace
from clbench.results.stat import Model

WIDE, NARROW = 2e-3, 1e-4
"""Relative to the way of the weights: of every stage, and of the nearest of a baseline's stages."""
DICE_TOLERANCE = 0.002
"""Of the Dice of one case, absolute."""
FROM_NETWORK, FROM_RANDOM = 6, 1
"""The iteration that is judged, or the last one sketched of a stage that is shorter: rounding grows faster where the
weights are random at the start."""


class Measured(Model):
    """A Dice of one label of one case."""

    task: str
    """Whose case."""
    case: str
    """The case."""
    label: str
    """The label."""
    value: float | None
    """None where reference and prediction are both empty."""


class KeptStage(Model):
    """How a stage of the reference began."""

    job: str
    """Title of its job."""
    baseline: str
    """The first baseline that uses it."""
    parent: str = Field(pattern=r"^[0-9]*$")
    """The folder of the network that it began with; empty if that was random."""
    trace: Trace
    """Its first iterations."""


class KeptModel(Model):
    """A network of the reference and what it measured there."""

    job: str
    """Title of the job that trained it."""
    baseline: str
    """The first baseline that uses it."""
    folder: str = Field(pattern=r"^[0-9]+$")
    """The folder in which it lies, beside the certificate."""
    dice: tuple[Measured, ...]
    """Its Dice on every case."""


class Certificate(Model):
    """What a reference keeps for it."""

    stages: tuple[KeptStage, ...]
    """Every stage of one seed."""
    models: tuple[KeptModel, ...]
    """The network at the end of each baseline's sequence."""


class Repeated(Model):
    """What came out here."""

    arithmetic: str
    """The arithmetic that it was computed with."""
    traces: dict[str, Trace]
    """By the title of the job."""
    dice: dict[str, tuple[Measured, ...]]
    """By the title of the job."""


class Check(Model):
    """One comparison of the certificate."""

    baseline: str
    """Whose it is."""
    job: str
    """Title of the job."""
    what: str
    """What was compared."""
    deviation: float | None
    """Of the weights' way, or of the worst case's Dice; None where there is nothing to compare."""
    tolerance: float
    """What it may be."""

    @property
    def passed(self) -> bool:
        """Whether it is within the tolerance."""
        return self.deviation is not None and self.deviation <= self.tolerance

    @property
    def words(self) -> str:
        """The deviation beside what it may be."""
        if self.deviation is None:
            return "the run has no such result"
        return f"deviates by {self.deviation:.1e}, at most {self.tolerance:.0e}"


def check(certificate: Certificate, here: Repeated) -> tuple[Check, ...]:
    """Compare every stage's beginning, the nearest of each baseline, and every network's predictions."""
    stages = tuple(_stages(certificate, here.traces))
    return (*stages, *_nearest(stages), *_models(certificate, here.dice))


def _stages(certificate: Certificate, traces: Mapping[str, Trace]) -> Iterator[Check]:
    for stage in certificate.stages:
        look = _judged_iteration(stage)
        found = traces.get(stage.job)
        deviation = None if found is None else deviation_of(found, stage.trace, look)
        what = f"weights after iteration {look}"
        yield Check(baseline=stage.baseline, job=stage.job, what=what, deviation=deviation, tolerance=WIDE)


def _judged_iteration(stage: KeptStage) -> str:
    latest = FROM_NETWORK if stage.parent else FROM_RANDOM
    return str(max((int(look) for look in stage.trace.moved if int(look) <= latest), default=latest))


def _nearest(stages: tuple[Check, ...]) -> Iterator[Check]:
    """Of each baseline with several stages the least deviation: a fault of its method is in all of them."""
    for name in dict.fromkeys(one.baseline for one in stages):
        own = [one.deviation for one in stages if one.baseline == name and one.deviation is not None]
        if len(own) > 1:
            what = f"weights of the nearest of {len(own)} stages"
            yield Check(baseline=name, job=name, what=what, deviation=min(own), tolerance=NARROW)


def deviation_of(here: Trace, there: Trace, look: str) -> float | None:
    """How far the weights are apart after an iteration, relative to the reference's way there.

    Both by their sketches, which keep distances to about a fifth. None where one stage was shorter than that.
    """
    mine, theirs = here.moved.get(look), there.moved.get(look)
    if mine is None or theirs is None:
        return None
    way = math.hypot(*theirs)
    apart = math.dist(mine, theirs)
    return apart / way if way else apart


def _models(certificate: Certificate, dice: Mapping[str, tuple[Measured, ...]]) -> Iterator[Check]:
    for model in certificate.models:
        worst = _worst(dice[model.job], model.dice) if model.job in dice else None
        what = "Dice of the reference's network, worst case"
        yield Check(baseline=model.baseline, job=model.job, what=what, deviation=worst, tolerance=DICE_TOLERANCE)


def _worst(here: tuple[Measured, ...], there: tuple[Measured, ...]) -> float | None:
    """The largest difference of a case; None where the cases are not the same."""
    mine, theirs = ({(one.task, one.case, one.label): one.value for one in side} for side in (here, there))
    if mine.keys() != theirs.keys():
        return None
    return max((_apart(mine[key], theirs[key]) for key in theirs), default=0.0)


def _apart(mine: float | None, theirs: float | None) -> float:
    if mine is None or theirs is None:
        return 0.0 if mine is theirs else math.inf
    return abs(mine - theirs)
