"""What is asked of an evaluation beyond the Dice: it is measured anew, and nothing is trained for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clbench.errors import DefinitionError
from clbench.run import Places

TEXT = "protocols: {continual: {baselines: [finetune]}}\n"


def planned(tmp_path: Path, text: str = "", card: str = "") -> object:
    """The plan of a definition that extends mini-organs, with another tolerance in one card."""
    for folder in ("benchmark", "tasks"):
        (tmp_path / folder).mkdir(exist_ok=True)
    head = "name: b\nversion: 1\ntitle: t\nextends: mini-organs\n"
    (tmp_path / "benchmark" / "b.yaml").write_text(head + TEXT + text)
    shipped = Path(__file__).parents[3] / "tasks" / "mini-liver.yaml"
    (tmp_path / "tasks" / "mini-liver.yaml").write_text(shipped.read_text() + card)
    return Places((tmp_path,), tmp_path / "store").plan("b")


def evaluations(plan: object) -> list[str]:
    return [job.evaluation for job in plan.jobs if job.kind == "stage"]


def test_another_metric_evaluates_every_stage_anew_and_trains_none(tmp_path):
    plain, more = planned(tmp_path), planned(tmp_path, "metrics: [dice, hd95]\n")
    assert [job.id for job in plain.jobs] == [job.id for job in more.jobs]
    assert set(evaluations(plain)).isdisjoint(evaluations(more))


def test_what_is_the_default_written_out_is_no_other_evaluation(tmp_path):
    assert evaluations(planned(tmp_path)) == evaluations(planned(tmp_path, "metrics: [dice]\n"))


def test_a_tolerance_prepares_nothing_anew_and_evaluates_only_where_nsd_measures_that_task(tmp_path):
    other = "tolerance_mm: 7\n"
    plain, wider = planned(tmp_path), planned(tmp_path, card=other)
    assert [(job.id, job.evaluation) for job in plain.jobs] == [(job.id, job.evaluation) for job in wider.jobs]
    asked = "metrics: [dice, nsd]\n"
    plain, wider = planned(tmp_path, asked), planned(tmp_path, asked, card=other)
    assert [job.id for job in plain.jobs] == [job.id for job in wider.jobs]
    assert set(evaluations(plain)).isdisjoint(evaluations(wider))  # every stage measures the liver
    assert wider.jobs[-1].asked.tolerances["mini-liver"] == 7
    assert wider.jobs[-1].asked.tolerances["mini-spleen"] == 2


@pytest.mark.parametrize("metrics", ["[nsd]", "[dice, dice]", "[dice, iou]"])
def test_metrics_without_dice_unknown_ones_and_repetitions_are_refused_with_their_line(tmp_path, metrics):
    with pytest.raises(DefinitionError, match=r"b.yaml:6: metrics"):
        planned(tmp_path, f"metrics: {metrics}\n")
