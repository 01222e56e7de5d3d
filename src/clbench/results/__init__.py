"""What came out: rows, the stage-by-task matrix, continual metrics and the summary they add up to."""

from __future__ import annotations

from clbench.results.model import Summary
from clbench.results.records import BaselineInfo, BenchmarkInfo, Hole, StageRecord
from clbench.results.rows import COLUMNS, Row, read_rows, write_rows
from clbench.results.stat import Stat
from clbench.results.summary import summarise

__all__ = [
    "COLUMNS",
    "BaselineInfo",
    "BenchmarkInfo",
    "Hole",
    "Row",
    "StageRecord",
    "Stat",
    "Summary",
    "read_rows",
    "summarise",
    "write_rows",
]
