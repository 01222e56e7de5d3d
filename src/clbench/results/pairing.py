"""A reference that knows its chance: a run and another one of the same seeds, made under another arithmetic."""

from __future__ import annotations

from dataclasses import replace

from clbench.errors import ClbenchError
from clbench.results.endpoints import endpoints, primaries
from clbench.results.gate import ENOUGH_SEEDS
from clbench.results.mixing import apart
from clbench.results.reproduction import Measured
from clbench.results.spread import Spread, covariance, number_spreads


def paired(run: Measured, other: Measured) -> Measured:
    """The run with the spread of its numbers.

    Args:
        run: what becomes the reference.
        other: the same benchmark, version and seeds under another arithmetic.

    Raises:
        ClbenchError: they are not of the same benchmark, version and seeds, have too few seeds, or have equal
            numbers, as under the same arithmetic.
    """
    _require_pair(run, other)
    info = run.summary.benchmark
    mine, theirs = (endpoints(info, one.rows) for one in (run, other))
    spreads, first = number_spreads(mine, theirs), tuple(primaries(info, mine))
    if not spreads:
        raise ClbenchError(
            "both runs have the same numbers: nothing of chance can be learnt from them; pair it with a run under "
            "another arithmetic, as on another type of processor"
        )
    spread = Spread(
        benchmark=info.name, version=info.version, seeds=tuple(sorted(set(info.seeds))), numbers=spreads,
        primaries=first, covariance=covariance(mine, theirs, first), provenance=other.summary.provenance,
    )  # fmt: skip
    return replace(run, spread=spread)


def _require_pair(run: Measured, other: Measured) -> None:
    mine, theirs = run.summary.benchmark, other.summary.benchmark
    same = (mine.name, mine.version) == (theirs.name, theirs.version)
    if reason := apart(mine, theirs) or ("" if same else "only the same benchmark in the same version makes a pair"):
        raise ClbenchError(
            f"{theirs.name} v{theirs.version} can't be paired with {mine.name} v{mine.version}: {reason}"
        )
    if set(mine.seeds) != set(theirs.seeds):
        raise ClbenchError(f"the runs have other seeds: {_listed(mine.seeds)} and {_listed(theirs.seeds)}")
    if len(set(mine.seeds)) < ENOUGH_SEEDS:
        raise ClbenchError(f"both runs have the seeds {_listed(mine.seeds)}; a spread needs {ENOUGH_SEEDS} or more")


def _listed(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, sorted(set(seeds))))
