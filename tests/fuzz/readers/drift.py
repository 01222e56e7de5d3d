"""The tables of representation drift, ``drift.csv`` and ``tsne.csv``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from clbench.results.drift import drift_points
from clbench.results.drift_rows import DriftRow, MapRow
from clbench.results.tidy import read_table, write_table

HEAD = ("toy", 1, "continual", "finetune", 0, 1, 2, "job")


def seeds() -> Iterable[bytes]:
    """A few rows of each."""
    drift = [DriftRow(*HEAD, "liver", 1, depth, f"encoder.{depth}", 64, cka) for depth, cka in ((0, 0.5), (1, None))]
    maps = [MapRow(*HEAD, "encoder.1", "liver", point, 0.5, -1.0) for point in range(3)]
    with TemporaryDirectory() as place:
        for name, kind, rows in (("drift.csv", DriftRow, drift), ("tsne.csv", MapRow, maps)):
            write_table(Path(place) / name, kind, rows)
            yield (Path(place) / name).read_bytes()


def read(data: bytes, folder: Path) -> None:
    """As ``clbench report`` does."""
    file = folder / "x.csv"
    file.write_bytes(data)
    if data.partition(b"\n")[0].endswith(b"y"):
        read_table(file, MapRow)
    else:
        drift_points(read_table(file, DriftRow), (0,))
