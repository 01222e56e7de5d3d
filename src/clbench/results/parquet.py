"""The rows as a Parquet file, for those who have pyarrow."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterable
from pathlib import Path

from clbench.results.rows import Row
from clbench.results.tidy import columns_of, sorted_rows
from clbench.store import write_atomic


def write_parquet(path: Path, rows: Iterable[Row]) -> bool:
    """Write what ``write_rows`` writes, with the columns' types; an undefined measurement is null.

    Returns:
        Whether it was written. Without pyarrow it is not, and a file of an earlier report is removed.
    """
    if importlib.util.find_spec("pyarrow") is None:
        path.unlink(missing_ok=True)
        return False
    import pyarrow
    from pyarrow import parquet

    ordered, arrow = sorted_rows(Row, rows), {str: pyarrow.string(), int: pyarrow.int64()}
    kinds = {name: arrow.get(kind, pyarrow.float64()) for name, kind in columns_of(Row, ordered).items()}
    columns = [pyarrow.array([getattr(row, name) for row in ordered], kind) for name, kind in kinds.items()]
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns, names=list(kinds)), buffer)
    write_atomic(path, buffer.getvalue())
    return True
