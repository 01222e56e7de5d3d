"""A report of several orders and of cumulative training; one order and none are in the other files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from clbench.report import all_tables, report_page, terminal_report
from clbench.report.render import comma_separated
from clbench.report.table import Table
from clbench.results import BaselineInfo, BenchmarkInfo, Hole, Row, StageRecord, Stat, Summary, summarise

ORDERS = (("liver", "lung"), ("lung", "liver"))
LISTED = ("liver → lung", "lung → liver")
STAGED = (("cumulative", "cumulative"), ("continual", "finetune"), ("continual", "ewc"))


def dice(task: str, value: float, *place: object) -> Row:
    return Row("toy", 1, *place, 1.0, 25, task, "a", "organ", "dice", value)  # type: ignore[arg-type]


def rows(seeds: tuple[int, ...], absent: tuple[str, int] | None) -> Iterator[Row]:
    """Every task scores .5, in order 2 .75, and in cumulative training 1.

    ``absent`` names a baseline, and an order in which it has no second stage.
    """
    for seed, (order, tasks), (protocol, name) in product(seeds, enumerate(ORDERS, start=1), STAGED):
        for stage in (1,) if absent == (name, order) else (1, 2):
            trained_on = "+".join(tasks[:stage]) if protocol == "cumulative" else tasks[stage - 1]
            for task in tasks[:stage]:
                score = 1.0 if protocol == "cumulative" else (0.5, 0.75)[order - 1]
                yield dice(task, score, protocol, name, seed, order, stage, trained_on)
    for seed, task in product(seeds, ORDERS[0]):
        yield dice(task, 0.5, "from-scratch", "from-scratch", seed, 1, 1, task)
        yield (
            dice("vessel", 0.5, "transfer", "ewc", seed, 1, 3, "vessel")
            if task == "liver"
            else dice("vessel", 0.25, "transfer", "from-scratch", seed, 1, 1, "vessel")
        )


def made(seeds: tuple[int, ...] = (0, 1), absent: tuple[str, int] | None = None) -> Summary:
    names = ("from-scratch", *(name for _, name in STAGED))
    baselines = tuple(BaselineInfo(name, f"the {name} baseline") for name in names)
    info = BenchmarkInfo("toy", 1, "A toy", ORDERS[0], ("vessel",), seeds, baselines, (), ORDERS)
    evidence = {"inert": False, "expected": True, "numbers": {"penalty": 0.5}}
    records = [
        StageRecord("continual", "ewc", seed, order, 2, tasks[1], "job", {}, evidence, False)
        for seed, (order, tasks) in product(seeds, enumerate(ORDERS, start=1))
    ]
    missing = {Hole("continual", "finetune", 0, 2, 2): "killed"} if absent == ("finetune", 2) else {}
    return summarise(info, rows(seeds, absent), records, missing)


def tables(summary: Summary) -> dict[str, Table]:
    return {table.slug: table for table in all_tables(summary)}


@pytest.mark.parametrize("form", [report_page, terminal_report])
def test_a_report_lists_every_order_with_its_number(form: object) -> None:
    text = form(made())  # type: ignore[operator]
    for number, words in enumerate(LISTED, start=1):
        assert f"order {number}: {words}" in text


def test_a_report_says_over_how_many_seeds_and_orders_it_averages() -> None:
    page = report_page(made())
    assert "over 2 seeds × 2 orders = 4 replicates" in page
    assert "over 2 seeds." not in page
    assert "no ranking" not in page


def test_one_seed_ranks_nothing_however_many_orders() -> None:
    page = report_page(made(seeds=(0,)))
    assert "One seed: no ranking" in page
    assert "over 1 seed × 2 orders = 2 replicates" in page


def test_each_order_has_a_matrix_with_its_tasks_in_its_order() -> None:
    found = tables(made())
    assert {slug for slug in found if slug.startswith("matrix-")} == {
        f"matrix-{name}-order-{order}" for (_, name), order in product(STAGED, (1, 2))
    }
    second = found["matrix-finetune-order-2"]
    assert second.title == "finetune, order 2: Dice of every task after every stage"
    assert second.headers == ("finetune after", "lung", "liver")
    assert [row[0] for row in second.rows] == ["1 lung", "2 liver"]
    assert second.rows[0] == ("1 lung", Stat(mean=0.75, sd=0.0, seeds=2, planned=2), "")
    assert found["matrix-finetune-order-1"].rows[0][1] == Stat(mean=0.5, sd=0.0, seeds=2, planned=2)


def test_cumulative_training_has_the_columns_of_a_continual_baseline() -> None:
    found = tables(made())
    final = next(row for row in found["final"].rows if row[0] == "cumulative")
    assert all(isinstance(cell, Stat) for cell in final[1:6])
    assert isinstance(found["per-stage"].rows[1][4], Stat)
    assert [row[0] for row in found["metrics"].rows] == ["cumulative", "finetune", "ewc"]
    assert [row[1] for row in found["volume"].rows[2:4]] == ["after its stage", "at the end"]


def test_intransigence_is_shown_only_beside_cumulative_training() -> None:
    metrics = tables(made())["metrics"]
    column = metrics.headers.index("intransigence ↓")
    cells = {row[0]: row[column] for row in metrics.rows}
    finetune = cells["finetune"]
    assert isinstance(finetune, Stat)
    assert (finetune.mean, finetune.seeds, finetune.planned) == (0.375, 4, 4)
    assert "intransigence" in metrics.note
    summary = made()
    kept = tuple(entry for entry in summary.baselines if entry.protocol != "cumulative")
    bare = tables(summary.model_copy(update={"baselines": kept}))["metrics"]
    assert "intransigence" not in f"{bare.headers} {bare.note}"
    assert len(bare.headers) == len(bare.rows[0]) == len(metrics.headers) - 1


def test_a_hole_names_its_order_and_the_task_that_is_learnt_there() -> None:
    missing = tables(made(absent=("finetune", 2)))["missing"]
    assert missing.headers == ("protocol", "baseline", "seed", "order", "stage", "reason")
    assert missing.rows[0] == ("continual", "finetune", "0", "2", "2 liver", "killed")
    assert missing.text_columns == 6
    cumulative = tables(made(absent=("cumulative", 2)))["missing"]
    assert cumulative.rows[0][:5] == ("cumulative", "cumulative", "0", "2", "2 liver")


def test_evidence_names_its_order() -> None:
    table = tables(made())["evidence-ewc"]
    assert table.headers == ("ewc at", "seed", "order", "at work", "penalty")
    assert [row[:3] for row in table.rows] == [
        ("2 lung", "0", "1"), ("2 liver", "0", "2"), ("2 lung", "1", "1"), ("2 liver", "1", "2"),
    ]  # fmt: skip
    assert table.text_columns == 4


def test_transfer_says_that_its_backbones_are_those_of_the_first_order() -> None:
    found = tables(made())
    assert "in order 1" in found["transfer-vessel"].note
    assert "in order 1" in found["transfer-volume-vessel"].note


def test_csv_files_count_replicates_and_where_an_order_is_fixed_seeds() -> None:
    found = tables(made())
    headers = {slug: comma_separated(table).splitlines()[0] for slug, table in found.items()}
    for slug in ("final", "per-stage", "metrics"):
        assert " replicates," in headers[slug]
        assert " seeds" not in headers[slug]
    assert "liver seeds" in headers["matrix-ewc-order-2"]
    assert "epoch 25 seeds" in headers["transfer-vessel"]
