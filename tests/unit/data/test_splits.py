"""Which cases are drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clbench.data.splits import Split, pools, sample_indices
from clbench.errors import DefinitionError

CASES = st.integers(10, 400)
SPLITS = st.sampled_from(["last-fifth", "inner-fifth"])
SEEDS = st.integers(0, 2**31)


@given(CASES)
def test_the_last_fifth_validates(cases: int) -> None:
    train, val = pools(cases, "last-fifth")
    assert train == tuple(range(int(0.8 * cases)))
    assert train + val == tuple(range(cases))


@given(CASES)
def test_the_inner_fifth_never_touches_the_last_fifth(cases: int) -> None:
    outer, _ = pools(cases, "last-fifth")
    train, val = pools(cases, "inner-fifth")
    assert train + val == outer
    assert len(train) == int(0.8 * len(outer))


@given(CASES, SPLITS, SEEDS, st.data())
def test_samples_are_disjoint_ascending_and_of_the_asked_size(
    cases: int, split: Split, seed: int, data: st.DataObject
) -> None:
    training, validation = pools(cases, split)
    wanted = data.draw(st.integers(1, len(training))), data.draw(st.integers(1, len(validation)))
    train, val = sample_indices(cases, train=wanted[0], val=wanted[1], seed=seed, split=split)
    assert (len(train), len(val)) == wanted
    assert set(train) <= set(training)
    assert set(val) <= set(validation)
    assert list(train) == sorted(set(train))
    assert list(val) == sorted(set(val))


@given(CASES, SPLITS, SEEDS)
def test_the_same_seed_draws_the_same_cases(cases: int, split: Split, seed: int) -> None:
    draws = [sample_indices(cases, train=3, val=1, seed=seed, split=split) for _ in range(2)]
    assert draws[0] == draws[1]


@given(SEEDS)
def test_a_smaller_sample_is_part_of_a_larger_one_and_leaves_the_other_pool_alone(seed: int) -> None:
    small, val = sample_indices(60, train=6, val=4, seed=seed)
    large, same = sample_indices(60, train=12, val=4, seed=seed)
    assert set(small) < set(large)
    assert val == same


def test_the_draw_is_the_recorded_one() -> None:
    assert sample_indices(60, train=12, val=4, seed=0) == (
        (1, 2, 4, 10, 11, 18, 19, 20, 21, 22, 34, 43),
        (50, 52, 55, 57),
    )


def test_seeds_draw_different_cases() -> None:
    assert len({sample_indices(60, train=12, val=4, seed=seed) for seed in range(10)}) == 10


def test_without_numbers_whole_pools_are_taken_and_no_seed_is_needed() -> None:
    assert sample_indices(10) == ((0, 1, 2, 3, 4, 5, 6, 7), (8, 9))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"train": 49, "seed": 0}, r"sample.train: asks for 49 cases; write 1 to 48"),
        ({"val": 13, "seed": 0}, r"sample.val: asks for 13 cases; write 1 to 12"),
        ({"train": 0, "seed": 0}, r"sample.train: asks for 0 cases"),
        ({"train": 5}, r"sample.seed: is missing"),
    ],
)
def test_impossible_samples_are_refused_with_what_would_be_right(asked: dict[str, int], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        sample_indices(60, **asked)


def test_a_task_with_one_case_cannot_be_split() -> None:
    with pytest.raises(DefinitionError, match=r"sample.train: the task has too few cases"):
        sample_indices(1)
