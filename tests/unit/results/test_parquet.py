"""Rows as Parquet: what is in rows.csv, typed; left out where pyarrow is not installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from clbench.results import COLUMNS, Row
from clbench.results.parquet import write_parquet

PLACE = ("toy", 1, "continual", "finetune", 0, 1, 1, "liver", 1.0, 25, "liver")
ROWS = [Row(*PLACE, "b", "organ", "dice", 0.1 + 0.2), Row(*PLACE, "a", "organ", "dice", None)]


def test_the_file_holds_the_rows_of_the_csv_in_its_order_with_numbers_as_numbers(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pip install clbench[parquet]")
    assert write_parquet(tmp_path / "rows.parquet", ROWS)
    table = parquet.read_table(tmp_path / "rows.parquet")
    assert tuple(table.column_names) == COLUMNS
    assert table.column("case").to_pylist() == ["a", "b"]
    assert table.column("value").to_pylist() == [None, 0.1 + 0.2]
    assert {str(table.schema.field(name).type) for name in ("seed", "stage", "version")} == {"int64"}
    first = (tmp_path / "rows.parquet").read_bytes()
    write_parquet(tmp_path / "rows.parquet", ROWS[::-1])
    assert (tmp_path / "rows.parquet").read_bytes() == first


def test_without_pyarrow_nothing_is_written_and_the_file_of_an_earlier_report_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pyarrow" else find(name))
    (tmp_path / "rows.parquet").write_bytes(b"of an earlier report")
    assert not write_parquet(tmp_path / "rows.parquet", ROWS)
    assert not (tmp_path / "rows.parquet").exists()
