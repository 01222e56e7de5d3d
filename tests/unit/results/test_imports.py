"""Anyone's matrix: CSV files as people write them, and the folders that nnU-Net's own evaluation leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nnunetv2.evaluation.evaluate_predictions import compute_metrics_on_folder_simple

from clbench.data.raw import nifti
from clbench.errors import ClbenchError, MissingEnvironment
from clbench.results.imports import read_beside, read_matrix, square


def written(folder: Path, text: str) -> Path:
    path = folder / "matrix.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "0.9,\n0.6,0.8\n",
        "a,b\n0.9,\n0.6,0.8\n",
        "stage,a,b\nfirst,0.9,nan\nsecond,0.6,0.8\n",
        ";a;b\nfirst;0.9;–\nsecond;0.6;0.8\n",
        "\ufeffa\tb\n90 %\t-\n60 %\t80 %\n\n",
    ],
)
def test_a_matrix_is_read_however_it_is_written(tmp_path: Path, text: str) -> None:
    imported = read_matrix(written(tmp_path, text))
    assert imported.matrix == ((0.9, None), (0.6, 0.8))
    assert imported.tasks == (("a", "b") if "a" in text else ("task 1", "task 2"))
    assert imported.percent == ("%" in text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "matrix.csv: no line of numbers"),
        ("a,b\n", "matrix.csv: no line of numbers"),
        ("0.9,\n0.6,0.8,0.3\n", "matrix.csv:2: 3 numbers where there are 2 tasks"),
        ("0.9,x\n0.6,0.8\n", "matrix.csv:1: column 2: 'x' is no number"),
        ("0.9,inf\n0.6,0.8\n", "matrix.csv:1: column 2: 'inf' is no number"),
    ],
)
def test_a_bad_matrix_is_refused_with_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ClbenchError) as error:
        read_matrix(written(tmp_path, text))
    assert message in str(error.value)


def test_a_matrix_that_is_not_square_is_no_sequence(tmp_path: Path) -> None:
    path = written(tmp_path, "0.9,0.1,0.2\n0.6,0.8,0.3\n")
    with pytest.raises(ClbenchError, match="2 stages but 3 tasks"):
        square(read_matrix(path), path)


def test_a_percent_sign_means_percent_however_small_the_numbers_are(tmp_path: Path) -> None:
    imported = read_matrix(written(tmp_path, "stage,a\n50% of it,0.8%\n"))
    assert (imported.matrix, imported.percent) == (((pytest.approx(0.008),),), True)
    assert not read_matrix(written(tmp_path, "stage,a\n50% of it,0.8\n")).percent, "the name of a line is no number"


def test_what_stands_beside_percentages_is_percentages_and_no_more_than_that(tmp_path: Path) -> None:
    small = written(tmp_path, "0.9,0.6\n")
    for text, wanted in (("90,\n60,80\n", (0.009, 0.006)), ("0.9,\n0.6,0.8\n", (0.9, 0.6))):
        (tmp_path / "r.csv").write_text(text)
        assert read_beside(small, read_matrix(tmp_path / "r.csv"), 1) == (pytest.approx(wanted),)


def test_columns_of_other_names_are_never_paired_and_those_without_are_by_their_place(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("A,B\n0.9,\n0.6,0.8\n")
    matrix = read_matrix(tmp_path / "r.csv")
    with pytest.raises(ClbenchError, match=r"matrix.csv: its columns are B, A; they must be A, B"):
        read_beside(written(tmp_path, "B,A\n0.7,0.5\n"), matrix, 1)
    for text in ("A,B\n0.7,0.5\n", "0.7,0.5\n"):
        assert read_beside(written(tmp_path, text), matrix, 1) == ((0.7, 0.5),)
    (tmp_path / "bare.csv").write_text("0.9,\n0.6,0.8\n")
    beside = read_beside(written(tmp_path, "B,A\n0.7,0.5\n"), read_matrix(tmp_path / "bare.csv"), 1)
    assert beside == ((0.7, 0.5),)


def test_an_order_is_no_matter_of_a_csv_file(tmp_path: Path) -> None:
    with pytest.raises(ClbenchError, match=r"matrix.csv: an order is for folders"):
        read_matrix(written(tmp_path, "a,b\n0.9,\n0.6,0.8\n"), ("b", "a"))


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingEnvironment, match="no such file"):
        read_matrix(tmp_path / "nowhere.csv")


def evaluated(folder: Path, overlaps: list[int]) -> None:
    """Let nnU-Net evaluate cases of ten reference voxels, so many of which are predicted; 0 in an empty case."""
    for number, hit in enumerate(overlaps):
        reference, prediction = np.zeros((2, 20, 1, 1), dtype=np.uint8)
        reference[: 10 if hit else 0], prediction[:hit] = 1, 1
        for kind, label in (("reference", reference), ("prediction", prediction)):
            path = folder / kind / f"case_{number}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            plain = path.with_suffix("")
            plain.write_bytes(nifti(label, (1.0, 1.0, 1.0)))
            import nibabel

            nibabel.save(nibabel.load(plain), path)
            plain.unlink()
    compute_metrics_on_folder_simple(
        str(folder / "reference"), str(folder / "prediction"), [1], str(folder / "summary.json"), num_processes=1
    )


def test_folders_of_nnunets_own_evaluation_become_the_matrix(tmp_path: Path) -> None:
    overlaps = {("stage_1", "b"): [10, 0], ("stage_2", "a"): [10, 5], ("stage_2", "b"): [5, 0]}
    for (stage, task), hits in overlaps.items():
        evaluated(tmp_path / stage / task, hits)
    imported = read_matrix(tmp_path)
    assert imported.tasks == ("b", "a"), "by the stage in which each first appears"
    assert imported.matrix == ((1.0, None), (pytest.approx(2 / 3), pytest.approx((1 + 2 / 3) / 2)))
    assert imported.cases == (2, 2)
    assert read_matrix(tmp_path, ("a", "b")).matrix[1] == imported.matrix[1][::-1]


def test_folders_and_an_order_that_differ_are_refused(tmp_path: Path) -> None:
    evaluated(tmp_path / "stage_1" / "a", [10])
    with pytest.raises(ClbenchError, match="differ in b"):
        read_matrix(tmp_path, ("a", "b"))


def test_a_folder_without_evaluations_and_a_file_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClbenchError, match=r"no STAGE/TASK/summary\.json"):
        read_matrix(tmp_path)
    file = tmp_path / "stage_1" / "a" / "summary.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"metric_per_case": [{"metrics": {}}, {}]}')
    with pytest.raises(ClbenchError, match="no summary of nnU-Net's evaluation"):
        read_matrix(tmp_path)


def test_stage_ten_comes_after_stage_nine(tmp_path: Path) -> None:
    for stage, task in (("stage_10", "late"), ("stage_9", "early")):
        evaluated(tmp_path / stage / task, [10])
    assert read_matrix(tmp_path).tasks == ("early", "late")
