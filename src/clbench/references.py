"""References: what a benchmark came out as once, kept so that later runs are compared with it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from clbench.definitions.catalogue import shipped_root
from clbench.errors import ClbenchError, CorruptArtifact, MissingEnvironment
from clbench.report.write import SUMMARY, read_summary
from clbench.results.arrays import JobArrays, from_bytes, to_bytes
from clbench.results.certificate import Certificate, Repeated
from clbench.results.model import Summary
from clbench.results.records import BenchmarkInfo
from clbench.results.reproduction import Measured
from clbench.results.rows import read_rows, write_rows
from clbench.results.spread import Spread
from clbench.store import check_files, describe_files, read_sealed, write_atomic, write_sealed

CERTIFICATE = Path("certificate") / "certificate.json"
"""Of a reference; beside it lie the networks that it kept."""
CHECKSUMS = "checksums.json"
"""Of a run's summary and rows, or a reference's; older ones have none."""
ROWS = ("rows.csv", "rows.csv.gz")
ARRAYS = "arrays.json"
"""Digests of what each job of a run made."""
REPEATED = "repeated.json"
"""Of a run: what came out of the reference's networks, and for which arrays of the run."""
SPREAD = "spread.json"
"""How far a second run of the reference's seeds lies from it; not every reference has one."""


def shipped_references() -> Path:
    """The folder of the published references, one folder a benchmark."""
    return shipped_root() / "reports" / "reference"


def read_measured(folder: Path) -> Measured:
    """A run, or a reference.

    Raises:
        MissingEnvironment: the folder holds neither, one that this version can't read, or one that is not as it was
            written.
    """
    _require_whole(folder)
    summary = read_run_summary(folder)
    rows = next((folder / name for name in ROWS if (folder / name).is_file()), folder / ROWS[0])
    arrays = read_arrays(folder)
    return Measured(
        summary, read_rows(rows), _read_spread(folder, summary.benchmark), arrays, read_certificate(folder),
        _read_repeated(folder, arrays),
    )  # fmt: skip


def read_arrays(folder: Path) -> tuple[JobArrays, ...]:
    """The digests of a run, or of a reference; none where an older version made it.

    Raises:
        MissingEnvironment: this version can't read them.
    """
    try:
        return from_bytes((folder / ARRAYS).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except ValidationError as error:
        raise MissingEnvironment(f"{folder / ARRAYS}: {error.errors()[0]['msg']}; {_remedy(folder)}") from None


def read_certificate(reference: Path) -> Certificate | None:
    """The certificate of a reference; None if it has none.

    Raises:
        MissingEnvironment: it is damaged, or of another version of clbench.
    """
    file = reference / CERTIFICATE
    try:
        return Certificate.model_validate(read_sealed(file))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (CorruptArtifact, ValidationError) as error:
        raise MissingEnvironment(f"{file}: {str(error).splitlines()[0]}; get it anew from where it came") from error


def keep_repeated(folder: Path, repeated: Repeated) -> None:
    """Keep beside a run what came out of the reference's networks, for `clbench compare`."""
    content = {"arrays": _seal_of(read_arrays(folder)), "repeated": repeated.model_dump(mode="json")}
    write_sealed(folder / REPEATED, content)


def _read_repeated(folder: Path, arrays: tuple[JobArrays, ...]) -> Repeated | None:
    """What ``keep_repeated`` kept; None if it is damaged, or if the run has been done anew since."""
    try:
        content = read_sealed(folder / REPEATED)
        return Repeated.model_validate(content["repeated"]) if content["arrays"] == _seal_of(arrays) else None
    except (FileNotFoundError, NotADirectoryError, CorruptArtifact, ValidationError, KeyError):
        return None


def _seal_of(arrays: tuple[JobArrays, ...]) -> str:
    return sha256(to_bytes(arrays)).hexdigest()


def _read_spread(folder: Path, info: BenchmarkInfo) -> Spread | None:
    """What is known of a reference's chance.

    Raises:
        MissingEnvironment: this version can't read it, or it is of another benchmark.
    """
    remedy = f"`clbench reference RUN --paired OTHER --out {folder}` writes it anew"
    try:
        spread = Spread.model_validate_json((folder / SPREAD).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise MissingEnvironment(f"{folder / SPREAD}: {place}: {first['msg']}; {remedy}") from None
    if (spread.benchmark, spread.version) != (info.name, info.version):
        said = f"is of {spread.benchmark} v{spread.version} instead of {info.name} v{info.version}"
        raise MissingEnvironment(f"{folder / SPREAD}: {said}; {remedy}")
    return spread


def read_run_summary(folder: Path) -> Summary:
    """The summary of a run, or of a reference.

    Raises:
        MissingEnvironment: there is none, or one that this version can't read.
    """
    try:
        return read_summary(folder / SUMMARY)
    except OSError:
        raise MissingEnvironment(f"{folder}: no {SUMMARY} in it; a run's folder or a reference is wanted") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise MissingEnvironment(
            f"{folder / SUMMARY}: not of this version of clbench ({place}: {first['msg']}); {_remedy(folder)}"
        ) from None


def find_reference(name: str, suites: Iterable[Path]) -> Path | None:
    """A benchmark's reference, of the first suite that has one in ``reports/reference``, or the published one."""
    folders = (folder / name for folder in _reference_folders(suites))
    return next((folder for folder in folders if (folder / SUMMARY).is_file()), None)


def named_references(suites: Iterable[Path]) -> list[str]:
    """The benchmarks that have a reference, by name."""
    return sorted({file.parent.name for folder in _reference_folders(suites) for file in folder.glob(f"*/{SUMMARY}")})


def _reference_folders(suites: Iterable[Path]) -> list[Path]:
    return [*(suite / "reports" / "reference" for suite in suites), shipped_references()]


def _require_own(info: BenchmarkInfo, folder: Path) -> None:
    """See that a folder has no reference of something else; an older version of the same one may be replaced."""
    try:
        there = read_run_summary(folder).benchmark
    except MissingEnvironment:
        return
    if there.name != info.name:
        words = f" ({info.name} is {info.subset_of.words})" if info.subset_of else ""
        raise ClbenchError(
            f"{folder} holds the reference of {there.name} v{there.version}, and this run is of {info.name} "
            f"v{info.version}{words}; name another folder"
        )


def seal(folder: Path) -> None:
    """Keep the checksums of what ``read_measured`` reads of a run or a reference."""
    names = [name for name in (SUMMARY, *ROWS, SPREAD, ARRAYS) if (folder / name).is_file()]
    write_sealed(folder / CHECKSUMS, {"files": describe_files(folder, names)})


def _require_whole(folder: Path) -> None:
    """Compare with the checksums, if there are any.

    Raises:
        MissingEnvironment: a file, or the list of checksums itself, is not as it was written.
    """
    try:
        check_files(folder, read_sealed(folder / CHECKSUMS).get("files", {}))
    except (FileNotFoundError, NotADirectoryError):
        return
    except CorruptArtifact as error:
        raise MissingEnvironment(f"{error}; {_remedy(folder)}") from None


def _remedy(folder: Path) -> str:
    """What makes the summary of a folder anew: a run's from its plan and results, a reference only from its run."""
    if (folder / ROWS[1]).is_file():
        return f"run its benchmark with this version, then `clbench reference RUN --out {folder}`"
    return f"`clbench report {folder}` writes it anew"


def keep(measured: Measured, folder: Path) -> None:
    """Write a reference: the summary, the rows compressed, the digests of arrays, and the spread if there is one.

    A certificate that an earlier reference left in the folder is deleted.

    Raises:
        ClbenchError: there is one of another definition, such as the one that this one shrinks.
    """
    _require_own(measured.summary.benchmark, folder)
    write_rows(folder / ROWS[1], measured.rows)
    write_atomic(folder / SUMMARY, (measured.summary.model_dump_json(indent=1) + "\n").encode("utf-8"))
    shutil.rmtree((folder / CERTIFICATE).parent, ignore_errors=True)  # it belongs to what was kept here before
    if measured.arrays:
        write_atomic(folder / ARRAYS, to_bytes(measured.arrays))
    else:
        (folder / ARRAYS).unlink(missing_ok=True)
    if measured.spread is None:
        (folder / SPREAD).unlink(missing_ok=True)
    else:
        write_atomic(folder / SPREAD, (measured.spread.model_dump_json(indent=1) + "\n").encode("utf-8"))
    seal(folder)
