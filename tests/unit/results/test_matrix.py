"""From rows to the stage-by-task matrix."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from clbench.results import Row
from clbench.results.matrix import dice, excluded, full_mean, predicted_ml, stage_matrix, task_vector

ROW = Row("toy", 1, "continual", "finetune", 0, 1, 1, "liver", 1.0, 25, "liver", "a", "organ", "dice", 0.5)
SEQUENCE = ("liver", "lung")


def scored(stage: int, task: str, value: float | None, case: str = "a", label: str = "organ") -> Row:
    return replace(ROW, stage=stage, trained_on=SEQUENCE[stage - 1], task=task, case=case, label=label, value=value)


def test_an_entry_is_the_mean_over_cases_of_the_mean_over_labels() -> None:
    rows = [scored(1, "liver", 1.0, "a", "organ"), scored(1, "liver", 0.5, "a", "tumour")]
    rows += [scored(1, "liver", 0.25, "b", "organ")]
    assert stage_matrix(rows, ("liver",), dice) == ((0.5,),)


@given(st.permutations(range(6)), st.permutations("abcdef"))
def test_neither_the_order_of_rows_nor_the_names_of_cases_change_an_entry(order: list[int], names: list[str]) -> None:
    values = (1.0, 0.5, 0.25, 0.0, 0.75, None)
    rows = [scored(1, "liver", value, name) for name, value in zip("abcdef", values, strict=True)]
    other = [replace(rows[i], case=names[i]) for i in order]
    assert stage_matrix(other, ("liver",), dice) == stage_matrix(rows, ("liver",), dice) == ((0.5,),)


def test_undefined_values_are_left_out_and_counted() -> None:
    rows = [scored(1, "liver", None, "a", "organ"), scored(1, "liver", 0.5, "a", "tumour")]
    rows += [scored(1, "liver", None, "b", "organ")]
    assert dice(rows) == 0.5
    assert excluded(rows) == 2


def test_a_stage_without_rows_is_a_hole_and_not_zero() -> None:
    rows = [scored(1, "liver", 0.0), scored(2, "lung", 0.5)]
    assert stage_matrix(rows, SEQUENCE, dice) == ((0.0, None), (None, 0.5))


def test_a_case_that_is_undefined_everywhere_makes_a_hole() -> None:
    assert stage_matrix([scored(1, "liver", None)], ("liver",), dice) == ((None,),)


def test_only_the_last_epoch_of_each_training_counts() -> None:
    early = replace(scored(1, "liver", 0.1), epoch=5)
    assert stage_matrix([early, scored(1, "liver", 0.9)], ("liver",), dice) == ((0.9,),)
    other_training = replace(scored(1, "lung", 0.4), trained_on="lung", epoch=5)
    assert task_vector([early, scored(1, "liver", 0.9), other_training], SEQUENCE, dice) == (0.9, 0.4)


def test_volumes_of_a_case_are_summed_over_its_labels() -> None:
    volume = replace(ROW, metric="predicted_ml")
    rows = [replace(volume, value=3.0), replace(volume, label="tumour", value=1.0)]
    rows += [replace(volume, case="b", value=0.0), ROW]
    assert predicted_ml(rows) == 2.0


def test_a_mean_with_a_hole_in_it_is_a_hole() -> None:
    assert full_mean((0.5, None)) is None
    assert full_mean(()) is None


VALUES = st.none() | st.floats(0, 1)


@given(
    st.lists(VALUES, min_size=1, max_size=12).flatmap(lambda v: st.tuples(st.just(v), st.permutations(range(len(v)))))
)
def test_the_order_and_the_names_of_cases_do_not_matter(drawn: tuple[list[float | None], list[int]]) -> None:
    values, order = drawn
    rows = [scored(1, "liver", value, case=f"case{index}") for index, value in enumerate(values)]
    renamed = [replace(rows[index], case=f"other{place}") for place, index in enumerate(order)]
    assert stage_matrix(rows, ("liver",), dice) == stage_matrix(renamed, ("liver",), dice)
