"""The long table: one canonical form, and errors that name the cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clbench.errors import ClbenchError, MissingEnvironment
from clbench.results import COLUMNS, Row, read_rows, write_rows

ROW = Row(
    benchmark="toy",
    version=1,
    protocol="continual",
    baseline="ewc[strength=0.1]",
    seed=0,
    order=1,
    stage=2,
    trained_on="mini-lung",
    fraction=1.0,
    epoch=25,
    task="mini-liver",
    case="case_7",
    label="liver",
    metric="dice",
    value=0.1,
)

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.builds(
    Row,
    benchmark=WORDS,
    version=st.integers(),
    protocol=st.sampled_from(("from-scratch", "joint", "cumulative", "continual", "transfer")),
    baseline=WORDS,
    seed=st.integers(),
    order=st.integers(),
    stage=st.integers(),
    trained_on=WORDS,
    fraction=NUMBERS,
    epoch=st.integers(),
    task=WORDS,
    case=WORDS,
    label=WORDS,
    metric=WORDS,
    value=st.none() | NUMBERS,
)


def unique(row: Row) -> Row:
    return replace(row, value=None)


def written(rows: list[Row]) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write_rows(path, rows)
        return path.read_bytes()


@given(st.lists(ROWS, unique_by=unique, max_size=6))
def test_rows_come_back_as_they_were_written_with_undefined_values(rows: list[Row]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write_rows(path, rows)
        found = read_rows(path)
    assert sorted(found, key=hash) == sorted(rows, key=hash)


@given(
    st.lists(ROWS, unique_by=unique, max_size=6).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows)))
)
def test_rows_in_any_order_give_the_same_bytes(orders: tuple[list[Row], list[Row]]) -> None:
    assert written(orders[0]) == written(orders[1])


def test_equal_values_give_the_same_bytes_whatever_their_spelling() -> None:
    assert written([replace(ROW, value=0.0)]) == written([replace(ROW, value=-0.0)])
    assert written([replace(ROW, value=1.0)]) == written([replace(ROW, value=1)])


def test_rows_are_sorted_by_number_not_by_text(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", [replace(ROW, epoch=epoch) for epoch in (25, 100, 5)])
    assert [row.epoch for row in read_rows(tmp_path / "rows.csv")] == [5, 25, 100]


def test_floats_keep_their_full_precision_and_none_is_an_empty_cell(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", [replace(ROW, value=0.1 + 0.2), replace(ROW, case="z", value=None)])
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert lines[1].endswith(",dice,0.30000000000000004")
    assert lines[2].endswith(",dice,")


def test_the_same_measurement_twice_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"measured twice: .*case_7"):
        write_rows(tmp_path / "rows.csv", [ROW, replace(ROW, value=0.9)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_no_row(value: float) -> None:
    with pytest.raises(ValueError, match="has no value"):
        replace(ROW, value=value)


@pytest.mark.parametrize("column", ["benchmark", "baseline", "trained_on", "task", "case", "label", "metric"])
def test_a_name_with_a_line_break_is_no_row(column: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        replace(ROW, **{column: "a\rb"})  # type: ignore[arg-type]


def test_a_wrong_header_is_refused_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("benchmark,value\n")
    with pytest.raises(ClbenchError, match=r"rows\.csv:1: the header is 'benchmark,value'"):
        read_rows(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",0.1\n", ",much\n", r"rows\.csv:2: value: 'much' is no finite number"),
        (",0.1\n", ",nan\n", r"rows\.csv:2: value: 'nan' is no finite number"),
        (",25,", ",2.5,", r"rows\.csv:2: epoch: '2\.5' is no whole number"),
        (",continual,", ",continuous,", r"rows\.csv:2: protocol 'continuous' is none of from-scratch, "),
        (",dice,0.1\n", ",0.1\n", r"rows\.csv:2: 14 cells; there must be 15"),
        (",dice,0.1\n", f",{'x' * 200_000},0.1\n", r"rows\.csv:2: field larger than"),
    ],
)
def test_a_bad_cell_is_refused_with_file_and_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "rows.csv"
    write_rows(path, [ROW])
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ClbenchError, match=message):
        read_rows(path)


def test_a_file_that_is_not_there_says_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(MissingEnvironment, match="clbench run"):
        read_rows(tmp_path / "rows.csv")


def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ClbenchError, match=r"rows\.csv: not UTF-8"):
        read_rows(tmp_path / "rows.csv")
