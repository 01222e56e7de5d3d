"""Metrics on draws are those of ``continual`` on plain numbers, holes included."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clbench.results.draws import ScoreDraws, metric_draws, score_draws
from clbench.results.resampling import Resampling
from clbench.results.scores import Scores, staged_metrics

TASKS = ("liver", "lung", "spleen", "kidney")
CASES = ("a", "b", "c")


def scores(tasks: tuple[str, ...], values: list[float | None]) -> Scores:
    """Tasks by tasks, each entry with three cases around a value or a hole; a hole before a task's stage."""
    rest = iter(values)
    entries = [
        [next(rest) if task <= stage else None for task in range(len(tasks))] for stage in range(len(tasks))
    ]
    lines = [[{} if one is None else dict(zip(CASES, (one - 0.1, one, one + 0.2), strict=True)) for one in line]
             for line in entries]  # fmt: skip
    empty = tuple((None,) * len(tasks) for _ in tasks)
    return Scores(tasks, tuple(map(tuple, lines)), empty, tuple((0,) * len(tasks) for _ in tasks))


VALUES = st.lists(st.none() | st.floats(0, 1), min_size=10, max_size=10)


@given(st.integers(1, 4), VALUES, VALUES, VALUES)
def test_the_first_entry_is_the_metric_of_the_numbers_themselves(
    count: int, own: list[float | None], scratch: list[float | None], cumulative: list[float | None]
) -> None:
    made = [scores(TASKS[:count], values) for values in (own, scratch, cumulative)]
    resampling = Resampling(dict.fromkeys(TASKS, CASES), (0,), 3)
    draws, *others = (score_draws(one, resampling) for one in made)
    found = metric_draws(draws, *(other.after_stage(TASKS[:count]) for other in others))
    for name, expected in staged_metrics(*made).items():
        assert found[name].shape == (4,)
        np.testing.assert_allclose(
            found[name][0], np.nan if expected is None else expected, atol=1e-12, err_msg=name
        )


def test_without_from_scratch_and_cumulative_training_their_metrics_are_holes_in_every_draw() -> None:
    draws = score_draws(scores(TASKS, [0.5] * 10), Resampling(dict.fromkeys(TASKS, CASES), (0,), 3))
    found = metric_draws(draws, None, None)
    assert np.isnan(found["plasticity"]).all()
    assert np.isnan(found["intransigence"]).all()
    assert not np.isnan(found["forgetting"]).any()


def test_snapshots_are_in_the_order_that_is_asked_for() -> None:
    dice = np.arange(9.0).reshape(3, 3, 1)
    draws = ScoreDraws(("spleen", "liver", "lung"), dice)
    assert draws.final(("liver", "lung", "spleen")).ravel().tolist() == [7.0, 8.0, 6.0]
    assert draws.after_stage(("liver", "lung", "spleen")).ravel().tolist() == [4.0, 8.0, 0.0]
    alone = ScoreDraws(("spleen", "liver", "lung"), dice[:1])
    assert alone.after_stage(("liver", "lung", "spleen")).ravel().tolist() == [1.0, 2.0, 0.0]
