"""Several runs side by side: found, read, and refused where their numbers must not be mixed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

from clbench.errors import ClbenchError, MissingEnvironment
from clbench.references import read_run_summary
from clbench.report.runs_table import Looked
from clbench.report.write import SUMMARY
from clbench.results.account_model import Missing
from clbench.results.mixing import apart
from clbench.results.model import Summary
from clbench.run import PLAN


def run_folders(reports: Path) -> list[Path]:
    """The folders of runs directly below a folder, begun or finished, by name.

    Raises:
        MissingEnvironment: there is none.
    """
    folders = sorted(path for path in reports.iterdir() if _is_begun(path)) if reports.is_dir() else []
    if not folders:
        raise MissingEnvironment(f"{reports}: there is no run's folder in it; `clbench run` makes one")
    return folders


def look(folder: Path) -> Looked:
    """A run's summary, or why it has none, and what is missing in it."""
    try:
        summary = read_run_summary(folder)
    except MissingEnvironment as error:
        return Looked(folder, None, _unfinished(folder) or str(error))
    return Looked(folder, summary, _holes(summary))


def refuse_mixed(runs: Iterable[Looked]) -> None:
    """See that runs may stand in one table.

    Raises:
        ClbenchError: two of them may not; both folders are named.
    """
    read = [(one.folder, one.summary.benchmark) for one in runs if one.summary]
    for (first, one), (second, other) in combinations(read, 2):
        if reason := apart(one, other):
            raise ClbenchError(
                f"{first} and {second} can't stand in one table: {reason}. Name the folders that belong together: "
                "clbench runs FOLDER…"
            )


def _is_begun(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (PLAN, SUMMARY))


def _unfinished(folder: Path) -> str:
    """What to say of a run that was begun and has no report yet; empty if the folder is none."""
    if (folder / SUMMARY).exists() or not (folder / PLAN).is_file():
        return ""
    return f"{folder}: begun, and no report yet; `clbench run {_benchmark(folder)}` goes on with it"


def _benchmark(folder: Path) -> str:
    try:
        return str(json.loads((folder / PLAN).read_bytes())["resolved"]["benchmark"]["name"])
    except (ValueError, KeyError, TypeError):
        return "BENCHMARK"


def _holes(summary: Summary) -> str:
    missing: Sequence[Missing] = summary.missing
    if not missing:
        return ""
    first, number = missing[0], len(missing)
    what = f"{first.protocol} {first.baseline}, seed {first.seed}, stage {first.stage}"
    return f"{number} result{' is' if number == 1 else 's are'} missing, the first of {what}: {first.reason}"
