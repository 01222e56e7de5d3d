"""Dice within stages: means over cases and seeds, in places that a curve is drawn from, and in the curve."""

from __future__ import annotations

from dataclasses import replace

from clbench.report.figures.sequence import forgetting_figures, stages_between
from clbench.results import BaselineInfo, BenchmarkInfo, Row, summarise

SEQUENCE = ("liver", "lung")
INFO = BenchmarkInfo(
    "toy", 1, "A toy", SEQUENCE, (), (0, 1), (BaselineInfo("finetune", "plain"),), (), (SEQUENCE,)
)  # fmt: skip
ROW = Row("toy", 1, "continual", "finetune", 0, 1, 1, "liver", 1.0, 20, "liver", "a", "organ", "dice", 1.0)
ROWS = [
    replace(ROW, seed=seed, stage=stage, trained_on=SEQUENCE[stage - 1], task=task, value=value)
    for seed in (0, 1)
    for stage, task, value in ((1, "liver", 1.0), (2, "liver", 0.25), (2, "lung", 0.75))
]


def within(seed: int, case: str, value: float, epoch: int = 5, task: str = "liver") -> Row:
    return replace(ROW, seed=seed, stage=2, trained_on="lung", epoch=epoch, task=task, case=case, value=value)


MONITORED = [within(0, "a", 0.5), within(0, "b", 1.0), within(1, "a", 0.25), within(1, "b", 0.25)]


def test_a_point_is_the_mean_over_cases_then_seeds_at_its_share_of_the_stage():
    (point,) = summarise(INFO, ROWS, (), {}, MONITORED).monitor
    assert (point.baseline, point.stage, point.task, point.share) == ("finetune", 2, "liver", 0.25)
    assert point.dice.mean == (0.75 + 0.25) / 2
    assert point.dice.seeds == 2


def test_a_curve_begins_in_the_tasks_own_stage():
    early = within(0, "a", 0.1, 10, "lung")
    summary = summarise(INFO, ROWS, (), {}, [*MONITORED, early, replace(early, stage=1, trained_on="liver")])
    entry = summary.baselines[0]
    assert [(place, stat.mean) for place, stat in stages_between(summary, entry, 1, "liver")] == [(1.25, 0.5)]
    assert [(place, stat.mean) for place, stat in stages_between(summary, entry, 1, "lung")] == [(1.5, 0.1)]


def drawn(*monitored: Row):
    (figure,) = forgetting_figures(summarise(INFO, ROWS, (), {}, monitored))
    return figure


def test_the_curve_of_forgetting_passes_what_was_measured_within_a_stage_and_is_marked_at_its_ends():
    liver, _ = drawn(*MONITORED).figure.axes
    line = next(line for line in liver.lines if line.get_label() == "finetune")
    assert list(zip(*line.get_data(), strict=True)) == [(1, 1.0), (1.25, 0.5), (2, 0.25)]
    assert line.get_markevery() == [0, 2]
    assert liver.get_xlim()[0] == 0


def test_what_is_monitored_changes_no_other_number_and_without_it_a_curve_has_the_ends_alone():
    watched, plain = summarise(INFO, ROWS, (), {}, MONITORED), summarise(INFO, ROWS, (), {})
    assert watched.model_copy(update={"monitor": ()}) == plain
    liver, _ = drawn().figure.axes
    assert [list(line.get_xdata()) for line in liver.lines] == [[1, 2]]
    assert drawn().slug == drawn(*MONITORED).slug == "forgetting"
