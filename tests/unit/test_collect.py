"""What a plan that was not run says: every hole by its place, and the orders that the report shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from clbench.collect import benchmark_info, collect
from clbench.plan import Plan
from clbench.results import summarise
from clbench.run import Places
from clbench.store import Store

TWO_ORDERS = """\
name: two
version: 1
title: Two orders
extends: mini-organs
sequence: [mini-liver, mini-lung]
orders: [[mini-lung, mini-liver]]
protocols:
  from-scratch: {}
  joint: {budgets: [full]}
  cumulative: {}
  continual: {baselines: [finetune, ewc]}
seeds: [0, 3]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A plan of two orders and all protocols along a sequence, of which nothing was done."""
    (tmp_path / "benchmark").mkdir()
    (tmp_path / "benchmark" / "two.yaml").write_text(TWO_ORDERS, encoding="utf-8")
    return Places((tmp_path,), tmp_path / "store").plan("two")


def test_the_report_knows_all_orders_and_cumulative_training(plan: Plan) -> None:
    assert plan.resolved is not None
    info = benchmark_info(plan.resolved)
    assert info.sequence == info.orders[0]
    assert info.orders == (("mini-liver", "mini-lung"), ("mini-lung", "mini-liver"))
    assert [(entry.name, entry.protocol) for entry in info.baselines[:3]] == [
        ("from-scratch", "from-scratch"), ("joint", "joint"), ("cumulative", "cumulative"),
    ]  # fmt: skip


def test_a_plan_that_was_not_run_explains_every_hole_that_its_report_has(plan: Plan, tmp_path: Path) -> None:
    assert plan.resolved is not None
    collected = collect(plan, Store(tmp_path / "store"))
    summary = summarise(benchmark_info(plan.resolved), collected.rows, collected.records, collected.missing)
    places = [(one.protocol, one.baseline, one.seed, one.order, one.stage) for one in summary.missing]
    staged = [("cumulative", "cumulative"), ("continual", "ewc"), ("continual", "finetune")]
    assert [place for place in places if place[1] in ("cumulative", "ewc", "finetune")] == sorted(
        (*name, seed, order, stage) for name in staged for seed in (0, 3) for order in (1, 2) for stage in (1, 2)
    )
    assert {place[3] for place in places if place[0] in ("from-scratch", "joint")} == {1}
    assert not any("not carried through" in one.reason for one in summary.missing)


def test_jobs_of_further_orders_have_titles_of_their_own(plan: Plan) -> None:
    titles = [job.title for job in plan.jobs]
    assert "ewc · order 2 · stage 2 · mini-liver · seed 3" in titles
    assert "cumulative · order 1 · stage 2 · all tasks so far · seed 0" in titles
    assert len(set(titles)) == len(titles)
