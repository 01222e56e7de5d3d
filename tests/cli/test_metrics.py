"""clbench metrics: the passport of anyone's finished sequence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., tuple[int, str, str]]


def test_one_matrix_gives_every_variant_with_its_formula_and_source(call: Call, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("0.9,0.2,0.1\n0.6,0.8,0.3\n0.5,0.7,0.9\n")
    code, out, _ = call("metrics", "r.csv")
    assert code == 0
    lines = {line.split("  ")[0] + line[12:26].rstrip(): line for line in out.splitlines()}
    assert "-0.2500" in lines["BWTGEM, paper"]
    assert "1706.08840" in lines["BWTGEM, paper"]
    assert "-0.1667" in lines["BWTGEM, code"]
    assert "-0.2667" in lines["BWTall stages"]
    assert "–" in lines["FWTplasticity"]
    assert "--scratch" in out


def test_what_stands_beside_the_matrix_fills_the_variants_that_need_it(call: Call, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("a,b\n90,\n60,80\n")
    (tmp_path / "finetune.csv").write_text("a,b\n90,\n20,80\n")
    for name in ("scratch", "joint"):
        (tmp_path / f"{name}.csv").write_text("a,b\n90,70\n")
    code, out, _ = call("metrics", "r.csv", "--finetune", "finetune.csv", "--scratch", "scratch.csv",
                        "--joint", "joint.csv", "--json")  # fmt: skip
    assert code == 0
    found = {(entry["family"], entry["name"]): entry["value"] for entry in json.loads(out)["metrics"]}
    assert abs(found["FWT", "plasticity"] - 0.1) < 1e-12
    assert abs(found["normalised", "gap closed"] - (0.7 - 0.5) / (0.8 - 0.5)) < 1e-12


def test_a_file_beside_it_of_another_shape_is_refused_by_name(call: Call, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("0.9,\n0.6,0.8\n")
    (tmp_path / "joint.csv").write_text("0.9,0.8,0.7\n")
    code, _, err = call("metrics", "r.csv", "--joint", "joint.csv")
    assert code == 2
    assert "joint.csv: 1 lines of 3 tasks; 1 of 2 are wanted here" in err


def test_an_order_or_other_columns_beside_a_csv_matrix_are_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("A,B\n0.9,\n0.6,0.8\n")
    (tmp_path / "scratch.csv").write_text("B,A\n0.9,0.8\n")
    code, _, err = call("metrics", "r.csv", "--order", "B,A")
    assert (code, "r.csv: an order is for folders" in err) == (2, True)
    code, _, err = call("metrics", "r.csv", "--scratch", "scratch.csv")
    assert (code, "scratch.csv: its columns are B, A; they must be A, B" in err) == (2, True)


def test_what_was_understood_is_printed_and_holes_are_named(call: Call, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("stage,liver,lung\n1,90%,\n2,,80%\n")
    code, out, _ = call("metrics", "r.csv")
    assert code == 0
    assert "Read as 2 stages × 2 tasks (liver, lung), percentages, divided by 100; the first line has" in out
    assert "There is no score of liver after stage 2." in out
    code, out, _ = call("metrics", "r.csv", "--json")
    assert "no score of liver after stage 2" in json.loads(out)["understood"][1]


def test_a_data_frames_index_is_no_score(call: Call, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(",0,1,2\n0,0.9,0.2,0.1\n1,0.6,0.8,0.3\n2,0.5,0.7,0.9\n")
    code, out, _ = call("metrics", "r.csv", "--json")
    assert code == 0
    found = {(entry["family"], entry["name"]): entry["value"] for entry in json.loads(out)["metrics"]}
    assert found["accuracy", "ACC"] == pytest.approx(0.7)
