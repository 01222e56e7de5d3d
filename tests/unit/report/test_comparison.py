"""The tables that say how sure the order of baselines is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clbench.report import all_tables, report_page, terminal_report
from clbench.report.comparison_tables import differences_table, ranking_table
from clbench.results import Stat, Summary
from clbench.results.model import Difference, Rank
from clbench.results.stat import Interval

Toy = Callable[..., Summary]


def difference(first: str, second: str, mean: float, tie: bool | None, p_holm: float = 0.25) -> Difference:
    interval = Interval(low=mean - 0.125, high=mean + 0.125, seeds=2)
    stat = Stat(mean=mean, sd=0.0, seeds=2, planned=2, interval=interval)
    return Difference(
        first=first, second=second, difference=stat, cases=6, p=0.0004, p_holm=p_holm, effect=0.5, tie=tie
    )


@pytest.fixture
def compared(toy: Toy) -> Summary:
    """Two seeds; EWC leads, the inert one ties with it, fine-tuning differs."""
    differences = (
        difference("ewc[strength=0.1]", "finetune", 0.375, False, 0.0009),
        difference("blip_strict", "ewc[strength=0.1]", 0.0625, True),
        difference("blip_strict", "finetune", 0.5, None),
    )
    ranks = (
        Rank(baseline="ewc[strength=0.1]", first=0.875, best=1, worst=2),
        Rank(baseline="blip_strict", first=0.125, best=1, worst=2),
        Rank(baseline="finetune", first=0.0, best=3, worst=3),
    )
    return toy(seeds=(0, 1)).model_copy(update={"differences": differences, "ranks": ranks})


def test_the_ranking_holds_every_baseline_against_the_one_with_the_highest_mean(compared: Summary) -> None:
    best, second, last = ranking_table(compared).rows
    assert (best[0], *best[2:]) == ("ewc[strength=0.1]", "88%", "1–2", "", "", "")
    assert (second[0], *second[2:4]) == ("blip_strict INERT", "12%", "1–2")
    assert (last[0], *last[2:4]) == ("finetune", "0%", "3")
    assert last[5:] == ("< .001", "differs")
    assert second[5:] == ("0.250", "tie")
    behind = [row[4] for row in (second, last)]
    assert [(stat.mean, stat.interval.low, stat.interval.high) for stat in behind if isinstance(stat, Stat)] == [
        (-0.0625, -0.1875, 0.0625),
        (0.375, 0.25, 0.5),
    ]


def test_every_pair_stands_in_the_differences_with_its_verdict(compared: Summary) -> None:
    rows = differences_table(compared).rows
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("ewc[strength=0.1]", "finetune", "differs"),
        ("blip_strict INERT", "ewc[strength=0.1]", "tie"),
        ("blip_strict INERT", "finetune", None),
    ]
    assert rows[0][3:7] == (6, "< .001", "< .001", 0.5)


def test_the_ranking_follows_the_final_dice_on_a_terminal_and_all_pairs_are_on_the_page(compared: Summary) -> None:
    short, page = terminal_report(compared), report_page(compared)
    assert short.index("Final Dice") < short.index("Ranking") < short.index("Per-stage Dice")
    assert "Differences" not in short
    assert page.index("### Ranking") < page.index("### Differences")


def test_one_seed_has_neither_table_and_says_that_its_intervals_are_over_cases_only(toy: Toy) -> None:
    summary = toy()
    assert not {"ranking", "differences"} & {table.slug for table in all_tables(summary)}
    for text in (terminal_report(summary), report_page(summary)):
        assert "One seed: no ranking" in text
        assert "interval over cases only" in " ".join(text.split())


def test_several_seeds_have_both_tables_and_say_what_their_intervals_are_over(toy: Toy) -> None:
    summary = toy(seeds=(0, 1, 2))
    assert {"ranking", "differences"} <= {table.slug for table in all_tables(summary)}
    text = " ".join(report_page(summary).split())
    assert "interval over seeds and cases" in text
    assert "over cases only" not in text
