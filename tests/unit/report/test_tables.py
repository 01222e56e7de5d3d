"""What stands in the tables: every reading, every stamp, and holes that are no zeros."""

from __future__ import annotations

from collections.abc import Callable

from clbench.report.account_tables import missing_table, volume_table
from clbench.report.dice_tables import final_table, stage_table
from clbench.report.table import Table
from clbench.report.tables import all_tables
from clbench.report.transfer_tables import transfer_tables
from clbench.results import Stat, Summary

Toy = Callable[..., Summary]


def line(table: Table, name: str) -> tuple[object, ...]:
    return next(row for row in table.rows if str(row[0]).startswith(name))


def means(cells: tuple[object, ...]) -> list[object]:
    return [round(cell.mean, 6) if isinstance(cell, Stat) else cell for cell in cells]


def test_the_final_table_has_one_line_per_baseline_in_display_order(toy: Toy) -> None:
    table = final_table(toy(inert=()))
    names = [row[0] for row in table.rows]
    assert names == ["from-scratch", "joint", "finetune", "ewc[strength=0.1]", "blip_strict"]
    assert table.headers[-4:] == ("mean", "BWT", "forgetting", "gap closed")
    assert means(line(table, "ewc")[1:]) == [0.7, 0.6, 0.8, 0.7, -0.15, 0.15, 0.75]
    assert means(line(table, "joint")[1:]) == [0.8, 0.8, 0.8, 0.8, "", "", 1.0]


def test_the_per_stage_table_shows_from_scratch_and_leaves_joint_out(toy: Toy) -> None:
    table = stage_table(toy(inert=()))
    assert [row[0] for row in table.rows] == ["from-scratch", "finetune", "ewc[strength=0.1]", "blip_strict"]
    assert means(line(table, "finetune")[1:4]) == [0.9, 0.8, 0.9]


def test_transfer_shows_dice_and_gain_at_every_epoch(toy: Toy) -> None:
    (table,) = transfer_tables(toy(inert=()))
    assert table.headers == ("backbone", "epoch 5", "epoch 25", "gain at 5", "gain at 25")
    assert means(line(table, "finetune")[1:]) == [0.5, 0.625, 0.25, 0.125]
    assert line(table, "from-scratch")[3:] == ("", "")


def test_predicted_volume_stands_beside_the_reference(toy: Toy) -> None:
    table = volume_table(toy(inert=()))
    assert table.rows[0] == ("reference", "", 1000.0, 1000.0, 1000.0)
    after, end = (row for row in table.rows if row[0] == "finetune")
    assert means(after[1:3]) == ["after its stage", 900.0]
    assert means(end[1:3]) == ["at the end", 100.0]


def test_every_table_that_shows_an_inert_baseline_says_so(toy: Toy) -> None:
    shown = 0
    for table in all_tables(toy(inert=("blip_strict",), absent=(("blip_strict", 3),))):
        cells = [str(cell) for row in (table.headers, *table.rows) for cell in row]
        naming = [cell for cell in cells if "blip_strict" in cell]
        assert all("blip_strict INERT" in cell for cell in naming), table.slug
        shown += bool(naming)
    assert shown >= 9


def test_a_baseline_at_work_is_stamped_nowhere(toy: Toy) -> None:
    assert "INERT" not in str([table.rows for table in all_tables(toy(inert=()))])


def test_a_missing_stage_leaves_holes_and_never_zeros(toy: Toy) -> None:
    tables = {table.slug: table for table in all_tables(toy(absent=(("ewc[strength=0.1]", 3),)))}
    assert line(tables["final"], "ewc")[1:] == (None,) * 7
    assert means(line(tables["per-stage"], "ewc")[1:]) == [0.9, 0.7, None, None, None]
    assert means(line(tables["metrics"], "ewc")[1:]) == [None] * 6
    assert line(tables["cost"], "ewc")[2:] == (None,) * 6
    assert line(tables["matrix-ewc-strength-0.1"], "3")[1:] == (None, None, None)
    assert line(tables["matrix-ewc-strength-0.1"], "1")[2:] == ("", "")


def test_every_hole_is_listed_with_its_stage_and_reason(toy: Toy) -> None:
    table = missing_table(toy(absent=(("finetune", 2),), reason="killed"))
    assert table.rows == (("continual", "finetune", "0", "2 mini-lung", "killed"),)


def test_a_complete_run_has_no_table_of_missing_results(toy: Toy) -> None:
    assert "missing" not in {table.slug for table in all_tables(toy())}


def test_evidence_counts_the_later_stages_of_every_method(toy: Toy) -> None:
    tables = {table.slug: table for table in all_tables(toy(inert=("blip_strict",)))}
    assert line(tables["evidence"], "ewc") == ("ewc[strength=0.1]", 2, 2, 0)
    assert line(tables["evidence"], "blip") == ("blip_strict INERT", 2, 2, 2)
    assert line(tables["evidence-ewc-strength-0.1"], "2")[2:] == ("yes", "1e-07 0.5", "42")


def test_undefined_dice_are_listed_only_where_there_are_any(toy: Toy) -> None:
    summary = toy()
    assert not [table.slug for table in all_tables(summary) if "excluded" in table.slug]
    first, *others = summary.baselines
    final = first.final.model_copy(update={"excluded": (0, 3, 0)})
    baselines = (first.model_copy(update={"final": final}), *others)
    points = tuple(point.model_copy(update={"excluded": 2}) for point in summary.transfer)
    changed = summary.model_copy(update={"baselines": baselines, "transfer": points})
    tables = {table.slug: table for table in all_tables(changed)}
    assert tables["excluded"].rows[0] == ("from-scratch", "at the end", 0, 3, 0)
    assert tables["transfer-excluded-mini-vessel"].rows[0] == ("from-scratch", 2, 2)


def test_baselines_whose_names_differ_only_in_a_sign_keep_their_own_files(toy: Toy) -> None:
    summary = toy()
    twins = [
        entry.model_copy(update={"name": name})
        for entry, name in zip(summary.baselines[-2:], ("si[c=-1]", "si[c=1]"), strict=True)
    ]
    tables = all_tables(summary.model_copy(update={"baselines": tuple(twins), "evidence": ()}))
    slugs = [table.slug for table in tables]
    assert len(set(slugs)) == len(slugs)
    assert {"matrix-si-c-1", "matrix-si-c-1-2"} <= set(slugs)


def test_every_line_that_names_a_baseline_says_where_models_were_chosen_by_the_reported_cases(toy: Toy) -> None:
    summary = toy(inert=(), as_original=True)
    names = {baseline.name for baseline in summary.benchmark.baselines}
    shown = [cell for table in all_tables(summary) for row in table.rows for cell in row if isinstance(cell, str)]
    naming = [cell for cell in shown if cell.split(" ")[0] in names]
    assert len(naming) > 20
    assert all("AS-ORIGINAL" in cell for cell in naming)
    assert "AS-ORIGINAL" not in str([table.rows for table in all_tables(toy())])
