"""What a number means in a table: told by what names and numbers are, or refused with line and column."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clbench.errors import ClbenchError
from clbench.results.imports import Imported, read_matrix, square

R = ((0.9, 0.2, 0.1), (0.6, 0.8, 0.3), (0.5, 0.7, 0.9))
NAMES = ("liver", "lung", "spleen")
NUMBERED = ("task 1", "task 2", "task 3")


def read(folder: Path, text: str) -> Imported:
    path = folder / "r.csv"
    path.write_text(text, encoding="utf-8")
    return square(read_matrix(path), path)


def lines(*cells: object) -> str:
    return "\n".join(",".join(map(str, line)) for line in cells) + "\n"


def with_index(header: tuple[object, ...], index: tuple[object, ...], rows: tuple = R) -> str:
    return lines(header, *((name, *row) for name, row in zip(index, rows, strict=True)))


FORMS = {
    "DataFrame.to_csv, numbered": (with_index(("", 0, 1, 2), (0, 1, 2)), NUMBERED),
    "DataFrame.to_csv, named columns": (with_index(("", *NAMES), (0, 1, 2)), NAMES),
    "DataFrame.to_csv, all named": (with_index(("", *NAMES), ("s1", "s2", "s3")), NAMES),
    "a stage column": (with_index(("stage", *NAMES), (1, 2, 3)), NAMES),
    "tasks called by numbers": (with_index(("stage", 1, 2, 3), (1, 2, 3)), ("1", "2", "3")),
    "stages without a header": (lines(*((k, *row) for k, row in enumerate(R, 1))), NUMBERED),
    "no names": (lines(*R), NUMBERED),
    "a header alone": (lines(NAMES, *R), NAMES),
    "numpy.savetxt": ("\n".join(" ".join(f"{v:.18e}" for v in row) for row in R) + "\n", NUMBERED),
    "decimal commas": (with_index(("Stufe", *NAMES), (1, 2, 3)).replace(",", ";").replace(".", ","), NAMES),
    "percentages": (with_index(("stage", *NAMES), (1, 2, 3), tuple(tuple(100 * v for v in r) for r in R)), NAMES),
    "per cent signs": (lines(NAMES, *((f"{100 * v:g}%" for v in row) for row in R)), NAMES),
    "lines are tasks": (
        with_index(("task", "after 1", "after 2", "after 3"), NAMES, tuple(zip(*R, strict=True))), NAMES,
    ),
    "lines are tasks, the corner is empty": (with_index(("", 1, 2, 3), NAMES, tuple(zip(*R, strict=True))), NAMES),
    "tabs": (with_index(("step", *NAMES), (0, 1, 2)).replace(",", "\t"), NAMES),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_names_are_found_by_what_they_are(tmp_path: Path, form: str) -> None:
    text, names = FORMS[form]
    found = read(tmp_path, text)
    assert found.tasks == names
    np.testing.assert_allclose(found.matrix, R, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n90,\n0.6,80\n", "r.csv:3: column 1 (a): '0.6' beside '90': it can't be told"),
        ("a,b\n90%,\n0.6,0.8\n", "r.csv:3: column 1 (a): '0.6' has no per cent sign"),
        ("a,b\n90,\n60,180\n", "r.csv:3: column 2 (b): '180' is no score"),
        ("stage,a,b\n1,0.9,\n2,-0.6,0.8\n", "r.csv:3: column 2 (2, a): '-0.6' is no score"),
        ("0.9,\n0.6,1.2\n", "r.csv:1: column 1: '0.9' beside '1.2'"),
        ("90%,\n60%,101%\n", "r.csv:2: column 2: '101%' is no score"),
        ("0.9,0.6\n,0.8\n", "r.csv:2: column 1: a hole, like all scores of tasks that were learnt before"),
        ("0.9,0.6,0.5\n0,0.8,0.7\n0,0,0.9\n", "r.csv:2: column 1: 0, like all scores of tasks"),
        ("stage,a,mean\n1,.9,.9\n2,.6,.6\n", "'mean' is no task but an average"),
        ("a,a\n.9,\n.6,.8\n", "two columns are called 'a'"),
        (".05,.04\n.9,.1\n.6,.8\n", "3 stages but 2 tasks; scores of the untrained network go into"),
        ("stage,task,dice\n1,a,.9\n2,a,.6\n", "r.csv:2: column 2 (1, task): 'a' is no number"),
        ("[[.9,.2],[.6,.8]]\n", "no line of numbers"),
    ],
)
def test_what_is_ambiguous_or_out_of_range_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ClbenchError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)


def test_a_stage_column_says_that_zeros_are_forgotten_tasks(tmp_path: Path) -> None:
    assert read(tmp_path, "stage,a,b\n1,.9,.1\n2,0,.8\n").matrix == ((0.9, 0.1), (0.0, 0.8))


@pytest.mark.parametrize("above", [1e-7, 1e-9, 2.0**-52])
def test_a_score_that_rounding_puts_above_one_is_one(tmp_path: Path, above: float) -> None:
    found = read(tmp_path, f"0.9,\n0.6,{1 + above!r}\n")
    assert (found.matrix, found.percent) == (((0.9, None), (0.6, 1.0)), False)
    assert read(tmp_path, f"90,\n60,{100 + 100 * above!r}\n").matrix[1][1] == 1.0


def test_stage_zero_is_the_untrained_network(tmp_path: Path) -> None:
    found = read(tmp_path, "stage,a,b\n0,.05,.04\n1,.9,.1\n2,.6,.8\n")
    assert found.matrix == ((0.9, 0.1), (0.6, 0.8))
    assert found.untrained == (0.05, 0.04)


SCORES = st.integers(1, 99)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    cells=st.lists(SCORES, min_size=9, max_size=9), percent=st.booleans(), header=st.booleans(),
    index=st.sampled_from(["", "1", "0", "s1"]), transposed=st.booleans(), lower=st.booleans(),
)  # fmt: skip
def test_every_way_of_writing_a_matrix_gives_its_numbers(
    tmp_path_factory: pytest.TempPathFactory, cells: list[int], percent: bool, header: bool, index: str,
    transposed: bool, lower: bool,
) -> None:  # fmt: skip
    """Scores of 2 % and more, so that none could be a fraction; lines are tasks only where names say so."""
    values = np.array([max(cell, 2) for cell in cells], float).reshape(3, 3)
    wanted = [[None if lower and j > i else values[i, j] / 100 for j in range(3)] for i in range(3)]
    written = [["" if v is None else f"{100 * v:.0f}" if percent else f"{v:.2f}" for v in line] for line in wanted]
    if transposed:
        rows = [["task", "after 1", "after 2", "after 3"]]
        rows += [[name, *line] for name, line in zip(NAMES, zip(*written, strict=True), strict=True)]
    else:
        names = {"": [], "1": ["1", "2", "3"], "0": ["0", "1", "2"], "s1": ["s1", "s2", "s3"]}[index]
        rows = [["stage"] * bool(names) + list(NAMES)] if header else []
        places = [[name] for name in names]
        rows += [[*place, *line] for place, line in itertools.zip_longest(places, written, fillvalue=[])]
    found = read(tmp_path_factory.mktemp("r"), lines(*rows))
    for line, expected in zip(found.matrix, wanted, strict=True):
        assert line == tuple(None if v is None else pytest.approx(v) for v in expected)
