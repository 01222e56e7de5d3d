"""Every number on the page leads to rows, and they are the ones that it was computed from."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from random import Random
from statistics import fmean

import pytest

from clbench.report.page.cells import Shown, ShownTable, shown_table
from clbench.report.tables import all_tables
from clbench.results import COLUMNS, BaselineInfo, BenchmarkInfo, Row, Summary, summarise

ORDERS = (("liver", "lung", "spleen"), ("spleen", "liver", "lung"))
NAMES = ("from-scratch", "joint", "cumulative", "finetune", "ewc[strength=0.1]")
INFO = BenchmarkInfo(
    "toy", 1, "A toy", ORDERS[0], ("vessel",), (0, 1), tuple(BaselineInfo(name, name) for name in NAMES), (), ORDERS,
    tuned=("finetune", "finetune · short", "theirs"), schedules=(("short", "epochs 5"),),
)  # fmt: skip


def measurements() -> Iterator[Row]:
    """Every protocol under two seeds and two orders, each value by chance; sequences measured on their way too."""
    chance = Random(0)

    def cases(*place: object) -> Iterator[Row]:
        for case, metric in product("abc", ("dice", "nsd", "predicted_ml", "reference_ml")):
            yield Row("toy", 1, *place, case, "organ", metric, 7.0 if metric == "reference_ml" else chance.random())

    def labels(*place: object) -> Iterator[Row]:
        for case, label in product("abc", ("vein", "tumour")):
            yield Row("toy", 1, *place, case, label, "dice", chance.random())

    for seed in (0, 1):
        for task in ORDERS[0]:
            yield from cases("from-scratch", "from-scratch", seed, 1, 1, task, 1.0, 25, task)
            yield from cases("joint", "joint", seed, 1, 1, "+".join(ORDERS[0]), 1.0, 25, task)
        for name, order, stage, epoch in product(NAMES[2:], (1, 2), (1, 2, 3), (5, 25)):
            tasks = ORDERS[order - 1][:stage]
            protocol, on = ("cumulative", "+".join(tasks)) if name == "cumulative" else ("continual", tasks[-1])
            for task in tasks:
                yield from cases(protocol, name, seed, order, stage, on, 1.0, epoch, task)
        for name, fraction, epoch in product(("from-scratch", *INFO.tuned), (1 / 3, 1.0), (5, 25)):
            if (name, epoch) != ("finetune · short", 25):
                stage = 1 if name == "from-scratch" else 4
                yield from labels("transfer", name, seed, 1, stage, "vessel", fraction, epoch, "vessel")


ROWS = list(measurements())
SHOWN_COLUMNS = [column for column in COLUMNS if column not in ("benchmark", "version")]


@pytest.fixture(scope="module")
def summary() -> Summary:
    return summarise(INFO, ROWS, [], {})


@pytest.fixture(scope="module")
def tables(summary: Summary) -> dict[str, ShownTable]:
    return {table.slug: shown_table(table, summary) for table in all_tables(summary)}


def found(cell: Shown) -> list[Row]:
    """What the page's script finds: equal as text, and at the end of each training unless an epoch is asked for."""
    wanted = {column: [str(value)] if not isinstance(value, list) else list(map(str, value))
              for column, value in json.loads(cell.rows).items()}  # fmt: skip
    assert set(wanted) <= set(SHOWN_COLUMNS)
    rows = [row for row in ROWS if all(text(row, column) in values for column, values in wanted.items())]
    if "epoch" in wanted:
        return rows
    last: dict[tuple[object, ...], int] = defaultdict(int)
    for row in rows:
        last[training(row)] = max(last[training(row)], row.epoch)
    return [row for row in rows if row.epoch == last[training(row)]]


def text(row: Row, column: str) -> str:
    value = getattr(row, column)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def training(row: Row) -> tuple[object, ...]:
    return row.protocol, row.baseline, row.seed, row.order, row.stage, row.trained_on, row.fraction


def mean(rows: Sequence[Row]) -> float:
    return fmean(row.value for row in rows if row.value is not None)


def linked(tables: dict[str, ShownTable], chosen: Callable[[str, str], bool]) -> list[tuple[str, str, Shown]]:
    return [
        (slug, head.text, cell)
        for slug, table in tables.items()
        for line in table.lines
        for head, cell in zip(table.headers, line.cells, strict=True)
        if cell.rows and chosen(slug, head.text)
    ]


def test_a_mean_is_the_mean_of_its_rows_in_every_table_of_dice_and_volumes(tables: dict[str, ShownTable]) -> None:
    tasks = ORDERS[0]
    cells = linked(tables, lambda slug, head: head in tasks or (slug, head) == ("final", "mean")
                   or (slug.startswith("transfer") and head.startswith("epoch")))  # fmt: skip
    assert len(cells) > 100
    for slug, head, cell in cells:
        assert mean(found(cell)) == pytest.approx(float(cell.value), abs=1e-7), (slug, head, cell)


def test_every_dice_volume_and_metric_has_rows(tables: dict[str, ShownTable]) -> None:
    for slug, table in tables.items():
        if slug.startswith(("cost", "evidence", "missing", "passport-", "transfer-volume")):
            continue
        for line in table.lines:
            for cell in line.cells:
                number = not cell.word and cell.value not in ("", "–") and (cell.spread or cell.hint)
                assert not number or found(cell), (slug, cell)


def test_the_numbers_of_one_label_and_of_surfaces_are_means_of_their_own_rows(tables: dict[str, ShownTable]) -> None:
    of_label = linked(tables, lambda slug, head: slug.endswith("-tumour") and head.startswith("epoch"))
    of_surface = linked(tables, lambda slug, head: slug == "surface-nsd" and head in ORDERS[0])
    assert len(of_label) >= 12
    assert len(of_surface) == 3 * len(NAMES)
    for _, _, cell in of_label:
        assert {row.label for row in found(cell)} == {"tumour"}
    for _, _, cell in of_surface:
        assert {row.metric for row in found(cell)} == {"nsd"}
        assert mean(found(cell)) == pytest.approx(float(cell.value), abs=1e-7)


def test_every_metric_of_a_case_has_its_formula(tables: dict[str, ShownTable]) -> None:
    formulas = {line.cells[0].text: line.cells[1].text for line in tables["passport-case"].lines}
    assert set(formulas) == {"dice", "nsd", "predicted_ml", "reference_ml"}
    assert all(formulas.values())


def test_a_gain_leads_to_the_curve_and_to_training_from_scratch_at_the_same_epoch(
    tables: dict[str, ShownTable],
) -> None:
    cells = linked(tables, lambda _, head: head.startswith("gain"))
    assert len(cells) >= 8
    for _, _, cell in cells:
        own = [row for row in found(cell) if row.baseline != "from-scratch"]
        scratch = [row for row in found(cell) if row.baseline == "from-scratch"]
        assert mean(own) - mean(scratch) == pytest.approx(float(cell.value), abs=1e-7)


def test_a_difference_leads_to_both_baselines_at_the_end(tables: dict[str, ShownTable]) -> None:
    for _, _, cell in linked(tables, lambda slug, head: (slug, head) == ("differences", "difference")):
        first, second = json.loads(cell.rows)["baseline"]
        means = [mean([row for row in found(cell) if row.baseline == name]) for name in (first, second)]
        assert means[0] - means[1] == pytest.approx(float(cell.value), abs=1e-7)


def test_what_a_metric_is_held_against_is_among_its_rows(tables: dict[str, ShownTable]) -> None:
    against = {
        "plasticity ↑": {"from-scratch"}, "intransigence ↓": {"cumulative"}, "gap closed ↑": {"finetune", "joint"},
    }  # fmt: skip
    cells = linked(tables, lambda slug, head: slug == "metrics" and head in against)
    assert {head for _, head, _ in cells} == set(against)
    for _, head, cell in cells:
        assert against[head] <= {row.baseline for row in found(cell)}
