"""Every case once before any comes again, tasks in turn, independent of the global random state."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clbench.training.deck import Deck

CASES = st.dictionaries(
    st.text("abc", min_size=1, max_size=2), st.integers(1, 7).map(lambda n: [f"c{i}" for i in range(n)]), min_size=1,
    max_size=4,
)  # fmt: skip


@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 99))
def test_one_task_gives_each_case_once_per_round(cases, rounds, seed):
    deck = Deck({"t": [f"c{i}" for i in range(cases)]}, [seed])
    for _ in range(rounds):
        assert sorted(deck.draw(cases)) == sorted(("t", f"c{i}") for i in range(cases))


@given(CASES, st.integers(0, 99))
def test_tasks_come_in_turn_whatever_their_number_of_cases(cases, seed):
    counts = Counter(task for task, _ in Deck(cases, [seed]).draw(5 * len(cases)))
    assert set(counts.values()) == {5}


@given(CASES, st.integers(0, 20), st.integers(0, 20))
def test_a_restored_deck_goes_on_where_it_was(cases, before, after):
    deck = Deck(cases, [3])
    deck.draw(before)
    other = Deck(cases, [4])
    other.load_state(deck.state())
    assert other.draw(after) == deck.draw(after)


def test_the_global_random_state_is_neither_read_nor_changed():
    np.random.seed(1)
    first = Deck({"t": list("abcdef")}, [0]).draw(6)
    untouched = np.random.rand()
    np.random.seed(1)
    assert np.random.rand() == untouched
    assert Deck({"t": list("abcdef")}, [0]).draw(6) == first
