"""Dice within stages: means over cases and seeds, in places that a curve is drawn from."""

from __future__ import annotations

from dataclasses import replace

from clbench.report.figures.monitor import _points, monitor_figures
from clbench.report.page.write import all_figures
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


def test_a_curve_begins_in_the_tasks_own_stage_and_passes_the_ends_of_stages():
    summary = summarise(INFO, ROWS, (), {}, [*MONITORED, within(0, "a", 0.1, 10, "lung")])
    entry = summary.baselines[0]
    assert _points(summary, entry, 1, "liver") == [(1.0, 1.0), (1.25, 0.5), (2.0, 0.25)]
    assert _points(summary, entry, 1, "lung") == [(1.5, 0.1), (2.0, 0.75)]


def test_what_is_monitored_changes_no_other_number_and_without_it_there_is_no_figure():
    watched, plain = summarise(INFO, ROWS, (), {}, MONITORED), summarise(INFO, ROWS, (), {})
    assert watched.model_copy(update={"monitor": ()}) == plain
    assert monitor_figures(plain) == []
    assert "monitor" in {figure.slug for figure in all_figures(watched)}
