"""Metrics of continual learning: a worked example, their invariants and their holes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clbench.results.continual import (
    average_accuracy,
    backward_transfer,
    forgetting,
    gap_closed,
    intransigence,
    learning_accuracy,
    plasticity,
    transfer_gain,
)
from clbench.results.matrix import Matrix

WORKED: Matrix = ((0.9, 0.2, 0.1), (0.6, 0.8, 0.3), (0.5, 0.7, 0.9))


def square(size: int) -> st.SearchStrategy[Matrix]:
    line = st.tuples(*[st.floats(0, 1)] * size)
    return st.tuples(*[line] * size)


MATRICES = st.integers(2, 5).flatmap(square)


def without(matrix: Matrix, stage: int, task: int) -> Matrix:
    return tuple(
        tuple(None if (i, j) == (stage, task) else value for j, value in enumerate(line))
        for i, line in enumerate(matrix)
    )


def test_the_worked_example_has_its_known_metrics() -> None:
    assert average_accuracy(WORKED) == pytest.approx(0.7)
    assert backward_transfer(WORKED) == pytest.approx(-0.25)
    assert forgetting(WORKED) == pytest.approx(0.25)
    assert learning_accuracy(WORKED) == pytest.approx(2.6 / 3)
    assert plasticity(WORKED, (0.1, 0.7, 0.7)) == pytest.approx(0.15)
    assert intransigence(WORKED, (0.1, 0.9, 0.95)) == pytest.approx(0.075)


def test_a_task_that_is_learnt_better_than_with_all_earlier_cases_is_intransigent_negatively() -> None:
    assert intransigence(((0.5, None), (0.0, 0.75)), (1.0, 0.5)) == -0.25


def test_forgetting_counts_from_the_best_stage_and_backward_transfer_from_the_first() -> None:
    matrix: Matrix = ((0.5, None, None), (0.9, 0.8, None), (0.6, 0.8, 0.7))
    assert backward_transfer(matrix) == pytest.approx(0.05)
    assert forgetting(matrix) == pytest.approx(0.15)


def test_a_task_that_is_best_at_the_end_is_forgotten_negatively() -> None:
    assert forgetting(((0.5, None), (0.75, 0.5))) == -0.25


@given(MATRICES)
def test_backward_transfer_is_minus_forgetting_when_each_task_is_best_when_learnt(matrix: Matrix) -> None:
    size = range(len(matrix))
    peaked = tuple(tuple(1.0 if i == j else matrix[i][j] for j in size) for i in size)
    assert backward_transfer(peaked) == pytest.approx(-(forgetting(peaked) or 0.0))


@given(MATRICES)
def test_forgetting_is_never_less_than_minus_backward_transfer(matrix: Matrix) -> None:
    lost, change = forgetting(matrix), backward_transfer(matrix)
    assert lost is not None
    assert change is not None
    assert lost >= -change - 1e-12


@given(MATRICES)
def test_what_stands_above_the_diagonal_changes_nothing(matrix: Matrix) -> None:
    lower = tuple(tuple(value if j <= i else None for j, value in enumerate(line)) for i, line in enumerate(matrix))
    for metric in (average_accuracy, learning_accuracy, backward_transfer, forgetting):
        assert metric(lower) == metric(matrix)


@given(MATRICES)
def test_a_trunk_that_never_changes_forgets_nothing(matrix: Matrix) -> None:
    frozen = tuple(matrix[-1] for _ in matrix)
    assert forgetting(frozen) == 0
    assert backward_transfer(frozen) == 0
    assert average_accuracy(frozen) == learning_accuracy(frozen)


def test_a_hole_that_a_metric_needs_makes_it_a_hole() -> None:
    assert average_accuracy(without(WORKED, 2, 0)) is None
    assert learning_accuracy(without(WORKED, 1, 1)) is None
    assert backward_transfer(without(WORKED, 0, 0)) is None
    assert forgetting(without(WORKED, 1, 0)) is None
    assert plasticity(WORKED, (None, 0.7, None)) is None
    assert intransigence(WORKED, (None, 0.9, None)) is None
    assert intransigence(without(WORKED, 1, 1), (0.9, 0.9, 0.9)) is None


def test_a_hole_that_a_metric_does_not_need_leaves_it() -> None:
    assert average_accuracy(without(WORKED, 0, 0)) == pytest.approx(0.7)
    assert backward_transfer(without(WORKED, 1, 0)) == pytest.approx(-0.25)
    assert plasticity(WORKED, (None, 0.7, 0.7)) == pytest.approx(0.15)
    assert intransigence(without(WORKED, 0, 0), (None, 0.9, 0.95)) == pytest.approx(0.075)


def test_a_single_task_can_not_be_forgotten() -> None:
    assert average_accuracy(((0.5,),)) == 0.5
    assert backward_transfer(((0.5,),)) is None
    assert forgetting(((0.5,),)) is None
    assert plasticity(((0.5,),), (0.4,)) is None
    assert intransigence(((0.5,),), (0.4,)) is None


def test_the_gap_is_open_for_finetune_and_closed_for_joint() -> None:
    assert gap_closed(0.25, 0.25, 0.75) == 0.0
    assert gap_closed(0.75, 0.25, 0.75) == 1.0
    assert gap_closed(0.5, 0.25, 0.75) == 0.5
    assert gap_closed(0.0, 0.25, 0.75) == -0.5


@pytest.mark.parametrize("bounds", [(0.5, 0.5), (0.6, 0.5), (None, 0.5), (0.5, None)])
def test_without_a_gap_there_is_no_share_of_it(bounds: tuple[float | None, float | None]) -> None:
    assert gap_closed(0.7, *bounds) is None


def test_transfer_gain_compares_equal_epochs() -> None:
    curve = {5: 0.5, 12: None, 25: 0.75}
    assert transfer_gain(curve, {5: 0.25, 12: 0.5}) == {5: 0.25, 12: None, 25: None}
