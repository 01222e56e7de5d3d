"""What is in a summary: frozen data that a JSON file holds in full."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from clbench.results.account_model import Cost, Evidence, Missing
from clbench.results.records import STAGED, BenchmarkInfo
from clbench.results.stat import Model, Stat


class Reading(Model):
    """Every task of the sequence at one point in time, in the sequence's order; None is a hole."""

    dice: tuple[Stat | None, ...]
    """Mean Dice of each task's validation cases."""
    mean: Stat | None
    """Mean over the tasks; a replicate that lacks a task does not count."""
    predicted_ml: tuple[Stat | None, ...]
    """Mean predicted foreground volume of a case in ml."""
    excluded: tuple[int, ...]
    """Pairs of case and label without a Dice (reference and prediction empty), over all replicates."""


class Metrics(Model):
    """The metrics of ``continual``; None where the protocol has no such number or a result is missing."""

    average_accuracy: Stat | None = None
    """Mean Dice over all tasks at the end."""
    learning_accuracy: Stat | None = None
    """Mean Dice over all tasks, each right after it was learnt."""
    backward_transfer: Stat | None = None
    """Change of the earlier tasks from right after learning to the end."""
    forgetting: Stat | None = None
    """Fall of the earlier tasks from their best to the end."""
    plasticity: Stat | None = None
    """Later tasks right after learning, against from-scratch."""
    intransigence: Stat | None = None
    """Later tasks right after learning, below cumulative training."""
    gap_closed: Stat | None = None
    """Share of the gap between fine-tuning and joint training."""


class BaselineSummary(Model):
    """One baseline over the sequence."""

    name: str
    """Its name."""
    title: str
    """What it does, in a few words."""
    protocol: str
    """``from-scratch``, ``joint``, ``cumulative`` or ``continual``."""
    inert: bool
    """Its method should have acted in a later stage and did not: it is fine-tuning under another name."""
    after_stage: Reading | None
    """Each task right after it was learnt; None for joint training, which has no stages."""
    final: Reading
    """All tasks at the end: with the last trunk, with the joint network, or with each task's own network."""
    matrices: tuple[tuple[tuple[Stat | None, ...], ...], ...]
    """For every order, Dice of every task after every stage, in that order; empty for from-scratch and joint."""
    metrics: Metrics
    """The metrics of continual learning."""
    as_original: bool = False
    """Its models were chosen by the cases that are reported."""

    @property
    def staged(self) -> bool:
        """Whether it learns one task after another."""
        return self.protocol in STAGED


class SurfaceReading(Model):
    """How far one baseline's surfaces lie from the reference's at the end, by task; None is a hole."""

    baseline: str
    """Name of the baseline."""
    nsd: tuple[Stat | None, ...]
    """Mean normalised surface Dice of each task's validation cases; empty if it was not asked for."""
    hd95_mm: tuple[Stat | None, ...]
    """Mean 95 % Hausdorff distance in mm; empty if it was not asked for."""
    one_empty: tuple[int, ...]
    """Pairs of case and label of which one mask alone is empty and that have the worst value for it, over all
    replicates."""


class MonitorPoint(Model):
    """One task in the middle of a stage."""

    baseline: str
    """Name of the baseline."""
    order: int
    """Which order of the tasks, from 1."""
    stage: int
    """The stage, from 1."""
    share: float
    """Share of the stage's epochs that had passed, in (0, 1)."""
    task: str
    """The task that was measured with its own head."""
    dice: Stat
    """Mean Dice of the task's validation cases on the preprocessed grid."""


PARTS = ("encoder", "bottleneck", "decoder")
"""The encoder's stages but the last, the last, and the decoder's."""


class DriftPoint(Model):
    """How much of a task's representation a later network has kept."""

    baseline: str
    """Name of the baseline."""
    order: int
    """Which order of the tasks, from 1."""
    stage: int
    """The later stage, from 2."""
    task: str
    """Whose voxels are represented."""
    layer: str
    """``encoder.N`` or ``decoder.N`` as nnU-Net counts them, or one of ``PARTS``: the mean over its layers."""
    cka: Stat
    """Linear CKA with the network right after the task's own stage."""


class Drift(Model):
    """Drift of the trunk's representations, where `clbench drift` has measured it."""

    points: tuple[DriftPoint, ...] = ()
    """Every later stage, layers in the order in which an image passes them; none where nothing is measured."""
    words: str = ""
    """What is not measured, and how to get it."""


class TransferPoint(Model):
    """One point of a learning curve on a held-out task."""

    target: str
    """The held-out task."""
    baseline: str
    """Whose backbone it starts from; ``from-scratch`` starts from none."""
    fraction: float
    """Share of the target's training cases."""
    epoch: int
    """Epochs trained on the target."""
    dice: Stat | None
    """Mean Dice of the target's validation cases."""
    gain: Stat | None
    """Dice above from-scratch training at the same epoch, seed by seed."""
    predicted_ml: Stat | None
    """Mean predicted foreground volume of a case in ml."""
    excluded: int
    """Pairs of case and label without a Dice (reference and prediction empty), over all replicates."""


class LabelTransfer(Model):
    """The learning curves of one label of a held-out task that has several."""

    target: str
    """The held-out task."""
    label: str
    """The label."""
    points: tuple[TransferPoint, ...]
    """Its curves, made of this label's Dice and volumes alone."""


class Difference(Model):
    """Two baselines held against each other by their final Dice, over the replicates that both have."""

    first: str
    """The baseline with the higher mean."""
    second: str
    """The other one."""
    difference: Stat
    """Mean final Dice over all tasks, the first above the second."""
    cases: int
    """How many cases have a difference of their own, all tasks together."""
    p: float
    """Of Wilcoxon's signed-rank test over these cases, each averaged over replicates; two-sided."""
    p_holm: float
    """``p`` after Holm's correction for all pairs."""
    effect: float
    """Matched-pairs rank-biserial correlation, -1 to 1; positive where the first is better."""
    tie: bool | None
    """Whether the two can't be told apart; None with fewer than two seeds, which tell nothing."""


class Rank(Model):
    """How stable a baseline's place by mean final Dice is when seeds and cases are drawn anew."""

    baseline: str
    """Name of the baseline."""
    first: float
    """Share of the draws in which it comes first; those who share a first place share the draw."""
    best: int
    """Best end of the 95 % interval of its rank; 1 comes first."""
    worst: int
    """Worst end of it."""


class PassportLine(Model):
    """One published variant of a metric, for every baseline that learns stage by stage."""

    family: str
    """What it is called in papers."""
    name: str
    """Which of the variants it is."""
    formula: str
    """Exactly what is computed."""
    better: str
    """``↑`` where higher is better, ``↓`` where lower is."""
    source: str
    """Paper or code that computes it so."""
    values: dict[str, Stat | None]
    """By baseline: computed in each replicate, then averaged; None where the run lacks something it needs."""


class CaseMetric(Model):
    """One metric of a case, over all rows of the run."""

    name: str
    """Its name in ``rows.csv``."""
    measured: int
    """Rows that have it, undefined ones included."""
    undefined: int
    """Rows of them without a value: reference and prediction both empty."""


class Summary(Model):
    """All numbers of a run's report."""

    benchmark: BenchmarkInfo
    """What was run."""
    gap_reference: str | None
    """The joint baseline that ``gap_closed`` is held against; None without fine-tuning or joint training."""
    baselines: tuple[BaselineSummary, ...]
    """Every baseline over the sequence, in display order."""
    reference_ml: dict[str, float]
    """Mean reference volume of a validation case in ml, by task."""
    transfer: tuple[TransferPoint, ...]
    """Learning curves on the held-out tasks."""
    transfer_by_label: tuple[LabelTransfer, ...] = ()
    """The same for each label of the held-out tasks that have several."""
    costs: tuple[Cost, ...]
    """Costs by protocol and baseline."""
    evidence: tuple[Evidence, ...]
    """Evidence by baseline."""
    missing: tuple[Missing, ...]
    """Every hole with its reason."""
    differences: tuple[Difference, ...] = ()
    """All pairs of continual baselines; none with one seed."""
    ranks: tuple[Rank, ...] = ()
    """The continual baselines from the highest mean final Dice to the lowest; none with one seed."""
    surfaces: tuple[SurfaceReading, ...] = ()
    """Distances of surfaces at the end, of every baseline; none where they were not asked for."""
    monitor: tuple[MonitorPoint, ...] = ()
    """Dice within stages; none where they were not monitored."""
    drift: Drift = Drift()
    """Drift of representations."""
    passport: tuple[PassportLine, ...] = ()
    """Every published variant of the metrics of continual learning; empty where no stage was measured."""
    case_metrics: tuple[CaseMetric, ...] = ()
    """What was measured of each case."""
    provenance: dict[str, Any] = Field(default_factory=dict)
    """Where the numbers come from; filled in when the report is written."""
