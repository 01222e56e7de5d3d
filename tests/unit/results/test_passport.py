"""The metric passport: published numbers of published matrices, and how the variants hang together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clbench.results.matrix import Matrix
from clbench.results.passport import PASSPORT, Finished, values

WORKED: Matrix = ((0.9, 0.2, 0.1), (0.6, 0.8, 0.3), (0.5, 0.7, 0.9))


def named(finished: Finished) -> dict[tuple[str, str], float | None]:
    return {(variant.family, variant.name): value for variant, value in values(finished)}


def square(size: int) -> st.SearchStrategy[Matrix]:
    line = st.tuples(*[st.floats(0.01, 1)] * size)
    return st.tuples(*[line] * size)


MATRICES = st.integers(2, 5).flatmap(square)


def test_the_worked_example_has_every_variants_known_value() -> None:
    found = named(Finished(WORKED, untrained=(0.05, 0.05, 0.05), cases=(1, 3, 5)))
    expected = {
        ("accuracy", "ACC"): 0.7,
        ("accuracy", "A, all stages"): 4.4 / 6,
        ("accuracy", "LA"): 2.6 / 3,
        ("BWT", "GEM, paper"): -0.25,
        ("BWT", "GEM, code"): -0.5 / 3,
        ("BWT", "all stages"): -0.8 / 3,
        ("BWT", "relative"): (-0.4 / 0.9 - 0.1 / 0.8) / 2,
        ("BWT", "by case"): (-0.4 * 1 - 0.1 * 3) / 4,
        ("BWT", "BWT+"): 0.0,
        ("BWT", "remembering"): 1 - 0.8 / 3,
        ("forgetting", "from the best"): 0.25,
        ("forgetting", "best of all stages"): 0.25,
        ("forgetting", "from the first"): 0.25,
        ("FWT", "zero-shot"): 0.2,
        ("FWT", "zero-shot, code"): 0.4 / 3,
        ("FWT", "upper triangle"): 0.2,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_one_published_matrix_has_the_bwts_that_were_computed_from_it() -> None:
    own, end = (0.918, 0.479, 0.494, 0.754, 0.623), (0.782, 0.180, 0.424, 0.707, 0.623)
    lines = [tuple(own[i] if j == i else None for j in range(5)) for i in range(4)]
    found = named(Finished((*lines, end)))
    assert found["BWT", "GEM, paper"] == pytest.approx(-0.1379, abs=2e-4)
    assert found["BWT", "relative"] == pytest.approx(-0.2439, abs=2e-4)
    assert found["BWT", "all stages"] is None, "stages between are not known"


def test_what_a_sequence_is_held_against_enters_its_own_variant() -> None:
    sequential: Matrix = ((0.9, None, None), (0.3, 0.4, None), (0.1, 0.2, 0.6))
    reached = Finished(WORKED, finetune=sequential, scratch=(0.9, 0.7, 0.7), cumulative=(0.9, 0.9, 1.0),
                       joint=(0.8, 1.0, 0.9))  # fmt: skip
    expected = {
        ("FWT", "against sequential"): (0.4 + 0.3) / 2,
        ("FWT", "against sequential, relative"): (0.4 / 0.4 + 0.3 / 0.6) / 2,
        ("FWT", "from the end, relative"): (0.3 / 0.4 + 0.3 / 0.6) / 2,
        ("FWT", "plasticity"): (0.1 + 0.2) / 2,
        ("FWT", "intransigence"): (0.1 + 0.1) / 2,
        ("normalised", "share of joint"): (0.5 / 0.8 + 0.7 + 1) / 3,
        ("normalised", "Ω_all"): (0.9 / 0.8 + (0.6 / 0.8 + 0.8) / 2 + (0.5 / 0.8 + 0.7 + 1) / 3) / 3,
        ("normalised", "gap closed"): (0.7 - 0.3) / (0.9 - 0.3),
    }
    found = named(reached)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_a_variant_whose_needs_are_missing_has_no_value_instead_of_one_over_less() -> None:
    found = named(Finished(((0.9, None), (0.4, 0.8))))
    absent = {name for name, value in found.items() if value is None}
    assert absent == {
        ("BWT", "by case"), *(("FWT", variant.name) for variant in PASSPORT if variant.family == "FWT"),
        *(("normalised", variant.name) for variant in PASSPORT if variant.family == "normalised"),
    }  # fmt: skip


def test_a_task_that_scored_zero_has_no_relative_change() -> None:
    assert named(Finished(((0.0, None), (0.5, 0.8))))["BWT", "relative"] is None


def test_a_task_that_is_best_at_the_end_is_forgotten_negatively_unless_the_end_is_among_the_best() -> None:
    found = named(Finished(((0.5, None), (0.75, 0.5))))
    assert found["forgetting", "from the best"] == -0.25
    assert found["forgetting", "from the first"] == -0.25
    assert found["forgetting", "best of all stages"] == 0.0


@given(MATRICES)
def test_the_variants_are_ordered_as_their_formulas_say(matrix: Matrix) -> None:
    found = named(Finished(matrix))
    stages = len(matrix)

    def value(*name: str) -> float:
        number = found[name[0], name[1]]
        assert number is not None
        return number

    assert value("BWT", "GEM, code") == pytest.approx(value("BWT", "GEM, paper") * (stages - 1) / stages)
    assert value("forgetting", "from the first") == pytest.approx(-value("BWT", "GEM, paper"))
    assert value("forgetting", "from the best") >= value("forgetting", "from the first") - 1e-12
    assert value("forgetting", "best of all stages") >= max(0, value("forgetting", "from the best")) - 1e-12
    assert value("BWT", "remembering") <= 1
    assert value("BWT", "BWT+") >= 0


@given(MATRICES)
def test_with_two_stages_all_stages_are_the_last(matrix: Matrix) -> None:
    two = tuple(line[:2] for line in matrix[:2])
    found = named(Finished(two))
    assert found["BWT", "all stages"] == pytest.approx(found["BWT", "GEM, paper"])


def test_every_variant_says_what_it_is_and_no_two_are_called_the_same() -> None:
    names = [(variant.family, variant.name) for variant in PASSPORT]
    assert len(set(names)) == len(names)
    assert all(variant.formula and variant.source for variant in PASSPORT)
