"""The first sentences of the page: what was compared, what won, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import pytest

from clbench.report.page.verdict import compared, verdict
from clbench.results import BaselineInfo, BenchmarkInfo, Row, Summary, summarise

Toy = Callable[..., Summary]
TASKS = ("liver", "lung")


def run(means: dict[str, float], seeds: Sequence[int], left_out: Sequence[tuple[str, int]] = ()) -> Summary:
    """One case's Dice is a baseline's mean and a little chance; 12 cases a task."""
    chance, found = Random(1), []
    for name, mean in means.items():
        for seed in seeds:
            for stage, task in ((1, "liver"), (2, "liver"), (2, "lung")):
                for case in map(str, range(12)):
                    place = ("toy", 1, "continual", name, seed, 1, stage, TASKS[stage - 1], 1.0, 25, task, case)
                    found.append(Row(*place, "organ", "dice", mean + chance.gauss(0, 0.005)))
    rows = [row for row in found if (row.baseline, row.seed) not in left_out]
    entries = tuple(BaselineInfo(name, name) for name in means)
    info = BenchmarkInfo("toy", 1, "A toy", TASKS, (), tuple(seeds), entries, (), (TASKS,))
    return summarise(info, rows, [], {})


def test_with_several_seeds_it_names_the_winner_how_often_it_wins_and_who_is_tied() -> None:
    first, sure, scale = verdict(run({"finetune": 0.2, "a": 0.7, "b": 0.7, "c": 0.5}, (0, 1, 2)))
    assert first.startswith("Of 4 ways to learn 2 tasks one after another, ")
    winner = "a" if ", a ends with the highest mean Dice" in first else "b"
    other = {"a": "b", "b": "a"}[winner]
    assert "% of the draws of seeds and cases" in sure
    assert f"{other} can't be told apart from it; 2 are lower by more than chance" in sure
    assert scale == "For scale: plain fine-tuning, which does nothing against forgetting, ends at 0.200."


def test_a_winner_of_all_draws_is_no_certainty() -> None:
    sure = verdict(run({"finetune": 0.2, "a": 0.7}, (0, 1, 2)))[1]
    assert "more than 99% of the draws" in sure
    assert "no other is tied with it; 1 is lower by more than chance" in sure


def test_with_one_seed_it_ranks_nothing_and_says_so() -> None:
    assert "one seed: nothing is ranked" in verdict(run({"finetune": 0.2, "a": 0.7}, (0,)))[1]


def test_many_ties_are_counted_and_not_listed() -> None:
    sure = verdict(run(dict.fromkeys("abcdefgh", 0.7), (0, 1, 2)))[1]
    assert "and 4 others can't be told apart" in sure


def test_what_is_finished_under_fewer_seeds_is_no_winner_and_is_named() -> None:
    summary = run({"finetune": 0.2, "a": 0.7, "b": 0.9}, (0, 1, 2), (("b", 1), ("b", 2)))
    said = verdict(summary)
    assert ", a ends with the highest" in said[0]
    assert said[1] == "Nothing is ranked: that needs at least two seeds under which all of them are finished."
    assert said[2] == "Not finished: b (1 of 3); “Missing” says why."


def test_an_inert_winner_is_stamped_in_the_sentence(toy: Toy) -> None:
    summary = toy(seeds=(0, 1), inert=("ewc[strength=0.1]",))
    assert "ewc[strength=0.1] INERT ends with the highest" in verdict(summary)[0]


def test_without_a_result_nothing_is_compared(toy: Toy) -> None:
    absent = tuple((name, 3) for name in ("finetune", "ewc[strength=0.1]", "blip_strict"))
    assert verdict(toy(absent=absent)) == ["Nothing is finished yet that could be compared."]


@pytest.mark.parametrize(("baselines", "words"), [(5, "3 methods, 2 bounds"), (3, "1 method, 2 bounds")])
def test_methods_and_bounds_are_counted_apart(toy: Toy, baselines: int, words: str) -> None:
    summary = toy()
    assert compared(summary.model_copy(update={"baselines": summary.baselines[:baselines]})) == words
