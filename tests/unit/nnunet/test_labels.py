"""A source's label numbers become the network's, and what no scheme can number is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clbench.nnunet.labels import BadLabels, LabelScheme, whole_numbers

KITS = {"kidney": 1, "tumour": 2, "cyst": 3}


def in_numbers(scheme: LabelScheme, values: list[float]) -> list[int]:
    """The network's numbers of a row of voxels."""
    whole, present = whole_numbers(np.array(values, dtype=np.float32).reshape(1, 1, 1, -1))
    scheme.require_known(present)
    return scheme.in_network_numbers(whole).ravel().tolist()


def test_labels_are_merged_in_the_order_of_the_card() -> None:
    assert in_numbers(LabelScheme({"lesion": (2, 3), "organ": (1,)}, KITS), [0, 1, 2, 3]) == [0, 2, 1, 1]


def test_labels_that_are_not_learnt_become_background() -> None:
    assert in_numbers(LabelScheme({"tumour": (2,)}, KITS), [0, 1, 2, 3]) == [0, 0, 1, 0]


@given(st.permutations(range(1, 8)), st.integers(1, 6), st.integers(1, 7))
def test_every_original_number_ends_in_the_label_that_collects_it(order: list[int], first: int, second: int) -> None:
    labels = {"a": tuple(order[:first]), "b": tuple(order[first : first + second])}
    scheme = LabelScheme({name: numbers for name, numbers in labels.items() if numbers}, {str(n): n for n in order})
    expected = [1 if n in labels["a"] else 2 if n in labels["b"] else 0 for n in range(8)]
    assert in_numbers(scheme, list(range(8))) == expected


def test_numbers_above_255_are_labels_like_others() -> None:
    scheme = LabelScheme({"a": (40000,), "b": (300,)}, {"a": 40000, "b": 300})
    assert in_numbers(scheme, [0, 300, 40000]) == [0, 2, 1]


def test_the_numbers_that_occur_are_found_in_every_layer() -> None:
    label = np.zeros((1, 4, 3, 3), dtype=np.uint8)
    label[0, 0, 1, 1], label[0, 3, 2, 2] = 5, 2
    whole, present = whole_numbers(label)
    assert present == (0, 2, 5)
    np.testing.assert_array_equal(whole, label)


@pytest.mark.parametrize(
    ("value", "words"), [(0.5, "value 0.5"), (-1, "value -1"), (np.nan, "value nan"), (70000, "value 70000")]
)
def test_values_that_are_no_whole_numbers_from_0_to_65535_are_refused(value: float, words: str) -> None:
    with pytest.raises(BadLabels, match=words):
        in_numbers(LabelScheme({"a": (1,)}, {"a": 1}), [0, 1, value])


def test_a_number_outside_the_scheme_is_refused_with_those_that_are_in_it() -> None:
    with pytest.raises(BadLabels, match="has label 4; original_labels knows background 0, kidney 1, tumour 2"):
        in_numbers(LabelScheme({"tumour": (2,)}, KITS), [0, 4])
