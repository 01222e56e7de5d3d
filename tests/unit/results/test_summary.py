"""From rows, records and holes to a summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from clbench.errors import ClbenchError
from clbench.results import BaselineInfo, BenchmarkInfo, Hole, Row, StageRecord, Stat, Summary, summarise
from clbench.results.model import BaselineSummary

SEQUENCE = ("liver", "lung")
NAMES = ("from-scratch", "joint", "joint-equal", "finetune", "ewc")
INFO = BenchmarkInfo(
    name="toy",
    version=1,
    title="A toy",
    sequence=SEQUENCE,
    targets=("vessel",),
    seeds=(0, 1),
    baselines=tuple(BaselineInfo(name, name) for name in NAMES),
    caveats=(),
    orders=(SEQUENCE,),
)
ROW = Row("toy", 1, "continual", "finetune", 0, 1, 1, "liver", 1.0, 25, "liver", "a", "organ", "dice", 0.5)
COST = {
    "train_seconds": 2.0,
    "evaluate_seconds": 1.0,
    "peak_memory_mb": 300.0,
    "kept_cases": 6,
    "remembered_mb": 1.5,
    "parameters": 9,
}


def row(protocol: str, baseline: str, seed: int, stage: int, trained_on: str, task: str, value: float | None) -> Row:
    place = replace(ROW, protocol=protocol, baseline=baseline, seed=seed, stage=stage)
    return replace(place, trained_on=trained_on, task=task, value=value)


def sequence_rows(seed: int) -> list[Row]:
    """Fine-tuning ends at .25 and .75, EWC at .5 and .75, joint training at .75."""
    joint = "+".join(SEQUENCE)
    return [
        *(row("from-scratch", "from-scratch", seed, 1, task, task, 0.5) for task in SEQUENCE),
        *(row("joint", name, seed, 1, joint, task, 0.75) for name in ("joint", "joint-equal") for task in SEQUENCE),
        *(row("continual", name, seed, 1, "liver", "liver", 1.0) for name in ("finetune", "ewc")),
        *(row("continual", name, seed, 2, "lung", "lung", 0.75) for name in ("finetune", "ewc")),
        row("continual", "finetune", seed, 2, "lung", "liver", 0.25),
        row("continual", "ewc", seed, 2, "lung", "liver", 0.5),
    ]


ROWS = [*sequence_rows(0), *sequence_rows(1)]


def record(seed: int, stage: int, *, expected: bool = True, inert: bool = False, shared: bool = False) -> StageRecord:
    evidence = {"inert": inert, "expected": expected, "numbers": {"penalty": 1e-7}}
    return StageRecord("continual", "ewc", seed, 1, stage, SEQUENCE[stage - 1], "job", COST, evidence, shared)


def made(
    rows: Sequence[Row] = tuple(ROWS),
    records: Sequence[StageRecord] = (),
    missing: Mapping[Hole, str] | None = None,
    info: BenchmarkInfo = INFO,
) -> Summary:
    return summarise(info, rows, records, missing or {})


def entry(summary: Summary, name: str) -> BaselineSummary:
    return next(baseline for baseline in summary.baselines if baseline.name == name)


def same(value: float) -> Stat:
    """A number that both seeds agree on."""
    return Stat(mean=value, sd=0.0, seeds=2, planned=2)


def test_final_is_the_last_line_of_the_matrix_and_per_stage_its_diagonal() -> None:
    ewc = entry(made(), "ewc")
    assert ewc.matrices == (((same(1.0), None), (same(0.5), same(0.75))),)
    assert ewc.final.dice == (same(0.5), same(0.75))
    assert ewc.after_stage is not None
    assert ewc.after_stage.dice == (same(1.0), same(0.75))
    assert (ewc.final.mean, ewc.after_stage.mean) == (same(0.625), same(0.875))


def test_metrics_of_a_baseline_are_held_against_those_of_the_others() -> None:
    metrics = entry(made(), "ewc").metrics
    assert metrics.average_accuracy == same(0.625)
    assert metrics.backward_transfer == same(-0.5)
    assert metrics.forgetting == same(0.5)
    assert metrics.plasticity == same(0.25)
    assert metrics.gap_closed == same(0.5)


def test_joint_training_has_no_stages_and_closes_the_gap() -> None:
    joint = entry(made(), "joint")
    assert joint.after_stage is None
    assert joint.matrices == ()
    assert joint.metrics.gap_closed == same(1.0)
    assert joint.metrics.forgetting is None


def test_from_scratch_counts_each_network_on_its_own_task_only() -> None:
    other = row("from-scratch", "from-scratch", 0, 1, "liver", "lung", 0.0)
    assert entry(made([*ROWS, other]), "from-scratch").final.dice == (same(0.5), same(0.5))


def test_seeds_are_averaged_with_their_sample_deviation() -> None:
    rows = [replace(one, value=0.5) if one.seed and one.value == 0.25 else one for one in ROWS]
    found = entry(made(rows), "finetune").final.dice[0]
    assert found is not None
    assert found.mean == 0.375
    assert found.sd == pytest.approx(0.125 * 2**0.5)
    assert (found.seeds, found.planned) == (2, 2)


def test_one_seed_has_no_deviation() -> None:
    only = made(sequence_rows(0), info=replace(INFO, seeds=(0,)))
    assert entry(only, "ewc").final.mean == Stat(mean=0.625, sd=None, seeds=1, planned=1)


def test_a_missing_stage_is_a_hole_and_leaves_its_seed_out_of_the_means() -> None:
    rows = [one for one in ROWS if (one.baseline, one.seed, one.stage) != ("ewc", 1, 2)]
    ewc = entry(made(rows, missing={Hole("continual", "ewc", 1, 1, 2): "killed"}), "ewc")
    assert ewc.final.dice[0] == Stat(mean=0.5, sd=None, seeds=1, planned=2)
    assert ewc.metrics.average_accuracy == Stat(mean=0.625, sd=None, seeds=1, planned=2)


def test_a_baseline_without_any_result_has_holes_only() -> None:
    rows = [one for one in ROWS if one.baseline != "ewc"]
    ewc = entry(made(rows), "ewc")
    assert ewc.final.dice == (None, None)
    assert ewc.final.mean is None
    assert ewc.matrices == (((None, None), (None, None)),)
    assert set(ewc.metrics.model_dump().values()) == {None}


def test_every_hole_has_a_reason_even_if_none_was_given() -> None:
    absent = {("ewc", 1, 2), ("from-scratch", 0, 1), ("joint", 1, 1)}
    rows = [one for one in ROWS if (one.baseline, one.seed, one.stage) not in absent]
    missing = {Hole("continual", "ewc", 1, 1, 2): "killed"}
    found = {(one.baseline, one.seed, one.stage): one.reason for one in made(rows, missing=missing).missing}
    assert set(found) == absent
    assert found["ewc", 1, 2] == "killed"
    assert "no result" in found["joint", 1, 1]


def test_one_reason_explains_a_training_without_stages_whatever_its_number() -> None:
    rows = [one for one in ROWS if (one.baseline, one.task) != ("from-scratch", "lung")]
    missing = {Hole("from-scratch", "from-scratch", seed, 1, 2): "killed" for seed in (0, 1)}
    assert {one.reason for one in made(rows, missing=missing).missing} == {"killed"}


def test_a_complete_run_has_no_holes() -> None:
    assert made().missing == ()


def test_undefined_dice_are_counted_over_seeds() -> None:
    empty = [replace(one, case="b", value=None) for one in ROWS if one.baseline == "ewc" and one.stage == 2]
    ewc = entry(made([*ROWS, *empty]), "ewc")
    assert ewc.final.excluded == (2, 2)
    assert ewc.final.dice == (same(0.5), same(0.75))


def test_a_method_that_was_inert_once_is_inert() -> None:
    summary = made(records=[record(0, 2), record(1, 2, inert=True)])
    assert entry(summary, "ewc").inert
    assert not entry(summary, "finetune").inert


@pytest.mark.parametrize(
    "harmless",
    [record(0, 2), record(0, 1, inert=True), record(0, 2, inert=True, expected=False)],
    ids=["at work", "first stage", "not expected"],
)
def test_a_method_that_need_not_act_is_not_inert(harmless: StageRecord) -> None:
    assert not entry(made(records=[harmless]), "ewc").inert


def test_costs_are_summed_over_stages_and_averaged_over_seeds() -> None:
    records = [record(seed, stage, shared=stage == 1) for seed in (0, 1) for stage in (1, 2)]
    cost = next(one for one in made(records=records).costs if one.baseline == "ewc")
    assert (cost.train_seconds, cost.shared_seconds) == (same(4.0), same(2.0))
    assert (cost.evaluate_seconds, cost.kept_cases) == (same(2.0), 6)
    assert (cost.peak_memory_mb, cost.remembered_mb) == (300.0, 1.5)


def test_the_cost_of_a_seed_that_lacks_a_stage_is_unknown() -> None:
    records = [record(0, 1), record(0, 2), record(1, 1)]
    summary = made(records=records, missing={Hole("continual", "ewc", 1, 1, 2): "killed"})
    cost = next(one for one in summary.costs if one.baseline == "ewc")
    assert cost.train_seconds == Stat(mean=4.0, sd=None, seeds=1, planned=2)


def test_a_cost_that_was_not_recorded_is_a_hole() -> None:
    cost = next(one for one in made(records=[replace(record(0, 1), cost={})]).costs if one.baseline == "ewc")
    assert cost.train_seconds is None
    assert cost.shared_seconds is None
    assert cost.peak_memory_mb is None


def transfer_row(baseline: str, epoch: int, value: float, seed: int = 0, fraction: float = 1.0) -> Row:
    found = row("transfer", baseline, seed, 3, "vessel", "vessel", value)
    return replace(found, epoch=epoch, fraction=fraction)


def test_transfer_gain_is_taken_seed_by_seed_and_epoch_by_epoch() -> None:
    curves = {"from-scratch": {5: 0.125, 25: 0.5}, "ewc": {5: 0.375, 25: 0.5}}
    rows = [transfer_row(name, *point, seed) for name in curves for point in curves[name].items() for seed in (0, 1)]
    points = {(one.baseline, one.epoch): one for one in made([*ROWS, *rows]).transfer}
    assert list(points) == [("from-scratch", 5), ("from-scratch", 25), ("ewc", 5), ("ewc", 25)]
    assert (points["ewc", 5].dice, points["ewc", 5].gain) == (same(0.375), same(0.25))
    assert points["ewc", 25].gain == same(0.0)


def test_fractions_of_the_cases_are_kept_apart() -> None:
    rows = [transfer_row("ewc", 5, 0.25, fraction=0.1), transfer_row("ewc", 5, 0.75)]
    found = [(one.fraction, one.dice.mean) for one in made([*ROWS, *rows]).transfer if one.dice]
    assert found == [(0.1, 0.25), (1.0, 0.75)]


def test_a_backbone_whose_transfer_is_missing_has_holes_beside_the_others() -> None:
    missing = {Hole("transfer", "ewc", 0, 1, 3): "killed", Hole("transfer", "ewc", 1, 1, 3): "killed"}
    points = made([*ROWS, transfer_row("finetune", 5, 0.5)], missing=missing).transfer
    assert [(one.baseline, one.dice is None) for one in points] == [("finetune", False), ("ewc", True)]


def test_the_reference_volume_of_a_case_counts_once() -> None:
    volumes = [replace(one, metric="reference_ml", value=100.0) for one in ROWS if one.task == "liver"]
    other_case = replace(volumes[0], case="b", value=200.0)
    assert made([*ROWS, *volumes, other_case]).reference_ml == {"liver": 150.0}


def test_the_gap_reference_is_chosen_by_what_was_asked_for() -> None:
    assert made([one for one in ROWS if one.baseline != "joint"]).gap_reference == "joint"
    equal_only = tuple(one for one in INFO.baselines if one.name != "joint")
    rows = [one for one in ROWS if one.baseline != "joint"]
    assert made(rows, info=replace(INFO, baselines=equal_only)).gap_reference == "joint-equal"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "rows of version 2 in a report of toy v1"),
        ({"benchmark": "other"}, "rows of benchmark other"),
        ({"baseline": "mas"}, "rows of baseline mas"),
        ({"task": "colon"}, "rows of task colon"),
        ({"order": 2}, "rows of order 2"),
        ({"seed": 7}, "rows of seed 7"),
    ],
)
def test_rows_of_something_else_are_never_mixed_in(change: dict[str, object], message: str) -> None:
    with pytest.raises(ClbenchError, match=message):
        made([*ROWS, replace(ROW, **change)])  # type: ignore[arg-type]


def test_a_summary_comes_back_from_its_json() -> None:
    records = [
        record(0, 2),
        replace(record(1, 2), evidence={"inert": False, "expected": True, "numbers": {"a": [1, 2.5]}}),
    ]
    summary = made([*ROWS, transfer_row("ewc", 5, 0.25)], records=records)
    assert Summary.model_validate_json(summary.model_dump_json()) == summary
