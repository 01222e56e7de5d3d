"""Which cases are drawn."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clbench.data.splits import Split, sample_indices, split_cases
from clbench.definitions.sections import CaseLists, Sample
from clbench.store import digest

CASES = st.integers(10, 400)
SPLITS = st.sampled_from(["last-fifth", "inner-fifth"])
SEEDS = st.integers(0, 2**31)


@given(CASES)
def test_the_last_fifth_validates(cases: int) -> None:
    train, val = Sample(split="last-fifth").pools(cases)
    assert tuple(train) == tuple(range(int(0.8 * cases)))
    assert (*train, *val) == tuple(range(cases))


@given(CASES)
def test_the_inner_fifth_never_touches_the_last_fifth(cases: int) -> None:
    outer, _ = Sample(split="last-fifth").pools(cases)
    train, val = Sample(split="inner-fifth").pools(cases)
    assert (*train, *val) == tuple(outer)
    assert len(train) == int(0.8 * len(outer))


@given(CASES, SPLITS, SEEDS, st.data())
def test_samples_are_disjoint_ascending_and_of_the_asked_size(
    cases: int, split: str, seed: int, data: st.DataObject
) -> None:
    training, validation = Sample(split=split).pools(cases)
    wanted = data.draw(st.integers(1, len(training))), data.draw(st.integers(1, len(validation)))
    train, val = sample_indices(cases, Sample(train=wanted[0], val=wanted[1], seed=seed, split=split))
    assert (len(train), len(val)) == wanted
    assert set(train) <= set(training)
    assert set(val) <= set(validation)
    assert list(train) == sorted(set(train))
    assert list(val) == sorted(set(val))


@given(CASES, SPLITS, SEEDS)
def test_the_same_seed_draws_the_same_cases(cases: int, split: str, seed: int) -> None:
    sample = Sample(train=3, val=1, seed=seed, split=split)
    assert sample_indices(cases, sample) == sample_indices(cases, sample)


@given(SEEDS)
def test_a_smaller_sample_is_part_of_a_larger_one_and_leaves_the_other_pool_alone(seed: int) -> None:
    small, val = sample_indices(60, Sample(train=6, val=4, seed=seed))
    large, same = sample_indices(60, Sample(train=12, val=4, seed=seed))
    assert set(small) < set(large)
    assert val == same


def test_the_draw_is_the_recorded_one() -> None:
    assert sample_indices(60, Sample(train=12, val=4, seed=0)) == (
        (1, 2, 4, 10, 11, 18, 19, 20, 21, 22, 34, 43),
        (50, 52, 55, 57),
    )


def test_seeds_draw_different_cases() -> None:
    assert len({sample_indices(60, Sample(train=12, val=4, seed=seed)) for seed in range(10)}) == 10


def test_without_numbers_whole_pools_are_taken_and_no_seed_is_needed() -> None:
    assert sample_indices(10, Sample()) == ((0, 1, 2, 3, 4, 5, 6, 7), (8, 9))


def test_a_task_with_fewer_cases_gives_all_it_has_where_the_definition_allows_it() -> None:
    train, val = sample_indices(41, Sample(train=50, val=12, seed=0, at_most=True))
    assert (len(train), len(val)) == (32, 9)


KITS = tuple(f"case_{number:05d}" for number in range(300))
DRAWN = """
from clbench.data.splits import split_cases
from clbench.definitions.sections import Sample
from clbench.store import digest
ids = tuple(f"case_{number:05d}" for number in range(300))
split = split_cases("kits21", ids, Sample(train=50, val=12, seed=0, at_most=True))
print(digest([split.train, split.val]))
"""
RECORDED = "f491f3c111331c955d897b51a86ae5c48e5e4193eb397a496c9daabd89b54d7a"


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_another_process_draws_the_recorded_ids_whatever_its_hash_seed(hash_seed: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    drawn = subprocess.run([sys.executable, "-c", DRAWN], env=environment, capture_output=True, text=True, check=True)
    assert drawn.stdout.strip() == RECORDED


def test_the_draw_is_of_the_sorted_ids() -> None:
    split = split_cases("kits21", KITS, Sample(train=50, val=12, seed=0, at_most=True))
    assert digest([split.train, split.val]) == RECORDED
    assert (len(split.train), len(split.val)) == (50, 12)
    assert max(split.train) < "case_00240" <= min(split.val)


def test_listed_cases_are_taken_as_they_are_and_other_tasks_by_the_rule() -> None:
    lists = CaseLists(train=("case_00299", "case_00001"), val=("case_00000",))
    sample = Sample(train=50, val=12, seed=0, ids={"kits21": lists})
    assert split_cases("kits21", KITS, sample) == Split(("case_00001", "case_00299"), ("case_00000",))
    assert sample.counts("kits21", 300) == (2, 1)
    assert sample.counts("another", 300) == (50, 12)
