"""Whether a run reproduces a reference: to the bit where that can be asked, by certificate and seeds where not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import computed_field

from clbench.errors import ClbenchError
from clbench.results.arrays import ArrayDifference, JobArrays, first_difference
from clbench.results.certificate import Certificate, Repeated, check
from clbench.results.description import Described, describe
from clbench.results.endpoints import (
    SUITE,
    TRANSFER,
    Number,
    continual,
    differences,
    endpoints,
    numbers,
    primaries,
)
from clbench.results.gate import EndPoint, decide
from clbench.results.mixing import apart
from clbench.results.model import Summary
from clbench.results.records import BenchmarkInfo
from clbench.results.rows import COLUMNS, Row
from clbench.results.spread import Spread
from clbench.results.stat import Interval, Model

Outcome = Literal["reproduced", "drifted", "missing", "not judged"]
Key = tuple[object, ...]

SAME = "same versions, same arithmetic"
Group = tuple[str, str, str]
Values = Mapping[Key, float | None]
"""What was measured, by everything that says what it is."""


@dataclass(frozen=True)
class Measured:
    """A run, or what was kept of one."""

    summary: Summary
    rows: tuple[Row, ...]
    spread: Spread | None = None
    """Of a reference: how far a run under another arithmetic lies from it."""
    arrays: tuple[JobArrays, ...] = ()
    """Digests of what each job made."""
    certificate: Certificate | None = None
    """Of a reference: the networks that it kept."""
    repeated: Repeated | None = None
    """Of a run: what came out of the reference's networks here."""


class Finding(Model):
    """What was judged, or should have been: the exit code depends on it."""

    baseline: str
    """Whose it is."""
    number: str
    """Which: a task and when, or a summary over all tasks."""
    verdict: Outcome
    """Drifted: other bits, or a fall beyond chance. Missing: the reference has it, the run lacks it. Not judged: too
    few seeds, or seeds that neither show a fall nor exclude one by the margin."""
    difference: float | None
    """Run less reference; None where nothing could be compared."""
    interval: Interval | None
    """One-sided 95 % bounds of it; None where no interval can be given."""
    reason: str
    """One sentence."""


class Reproduction(Model):
    """A run compared with a reference."""

    benchmark: str
    """What both ran."""
    version: int
    """Its version."""
    mode: Literal["exact", "statistical"]
    """To the bit, or by paired seeds."""
    why: str
    """Why in this mode."""
    margin: float
    """The fall that a reproduced number excludes in the statistical mode."""
    seeds: tuple[int, ...]
    """The seeds that both have."""
    spread_seeds: int = 0
    """Of how many seeds the reference's paired spread is that chance is known from; 0 without one."""
    first_difference: ArrayDifference | None = None
    """Exact: the first array that is not the reference's, in the order in which they are made."""
    certificate: tuple[Finding, ...] = ()
    """Statistical: every stage begun, and every network predicted, at the reference's networks."""
    findings: tuple[Finding, ...]
    """Exact: by baseline in the reference's order, every task. Statistical: the primary end points; then what is
    missing."""
    description: tuple[Described, ...] = ()
    """Statistical: all other numbers, each once; no verdict depends on them."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def counts(self) -> dict[str, int]:
        """How often each verdict was found."""
        return Counter(finding.verdict for finding in (*self.certificate, *self.findings))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> Outcome:
        """The worst of what was judged; not judged only if nothing was."""
        order: tuple[Outcome, ...] = ("drifted", "missing", "reproduced")
        return next((worst for worst in order if self.counts.get(worst)), "not judged")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def judged(self) -> tuple[str, ...]:
        """The names of what has a verdict."""
        return tuple(f"{one.baseline} {one.number}" for one in self.findings if one.verdict != "not judged")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def not_judged(self) -> tuple[str, ...]:
        """The names of what should have one and has none; the numbers of the description are never judged."""
        return tuple(f"{one.baseline} {one.number}" for one in self.findings if one.verdict == "not judged")


def reproduction(
    run: Measured, reference: Measured, margin: float, mode: Literal["exact", "statistical"] | None = None
) -> Reproduction:
    """Hold a run against a reference.

    Args:
        run: the run.
        reference: what it should have come out as.
        margin: the fall that a reproduced number excludes in the statistical mode, above 0.
        mode: left out, exact where equal bits are promised, or where they came out all the same.

    Raises:
        ClbenchError: they are of different benchmarks or versions of one, whose numbers mean different things.
    """
    mine, theirs = run.summary.benchmark, reference.summary.benchmark
    if (mine.name, mine.version) != (theirs.name, theirs.version):
        raise ClbenchError(
            f"the run is of {mine.name} version {mine.version}, the reference of {theirs.name} version "
            f"{theirs.version}; only the same benchmark in the same version can be compared{_because(mine, theirs)}"
        )
    if reason := apart(mine, theirs):
        raise ClbenchError(f"run and reference don't belong together: {reason}")
    obstacle = not_exact(run.summary.provenance, reference.summary.provenance) or _no_common_seed(run, reference)
    same = not mode and bool(obstacle) and _equal_in_spite(run, reference)
    exact = mode == "exact" or (not mode and (not obstacle or same))
    asked = "it was asked for" if mode else f"equal in spite of {obstacle}" if same else obstacle or SAME
    first = None if obstacle or not exact else first_difference(run.arrays, reference.arrays)
    found, description = (_exact(run, reference, first), []) if exact else _statistical(run, reference, margin)
    spread = None if exact else reference.spread
    return Reproduction(
        benchmark=mine.name, version=mine.version, mode="exact" if exact else "statistical", why=asked, margin=margin,
        seeds=tuple(sorted(_seeds_of_both(run, reference))), spread_seeds=len(spread.seeds) if spread else 0,
        first_difference=first, certificate=() if exact else tuple(_certified(run, reference)),
        findings=tuple(found), description=tuple(description),
    )  # fmt: skip


def _equal_in_spite(run: Measured, reference: Measured) -> bool:
    """Whether all numbers came out though nobody can ask for it."""
    if not _seeds_of_both(run, reference):
        return False
    return all(one.verdict == "reproduced" for one in _exact(run, reference, None))


def _because(mine: BenchmarkInfo, theirs: BenchmarkInfo) -> str:
    reason = apart(mine, theirs) if mine.name != theirs.name else ""
    return f" ({reason})" if reason else ""


def not_exact(run: Mapping[str, Any], reference: Mapping[str, Any]) -> str:
    """Why equal bits can't be asked for, by two provenances; empty if they can."""
    here, there = run.get("libraries", {}), reference.get("libraries", {})
    if other := sorted(name for name in {*here, *there} if here.get(name) != there.get(name)):
        return f"other versions of {', '.join(other)}"
    mine, theirs = (str(side.get("arithmetic", "")) for side in (run, reference))
    if not mine or not theirs:
        return f"the {'reference' if mine else 'run'} does not say which arithmetic it has"
    if "cuda" in mine or "cuda" in theirs:
        return "an accelerator does not give the same bits twice"
    if mine != theirs:
        return f"other arithmetic ({mine} instead of {theirs})"
    if run.get("libc") != reference.get("libc"):
        return f"another C library ({run.get('libc')} instead of {reference.get('libc')})"
    return ""


def _seeds_of_both(run: Measured, reference: Measured) -> set[int]:
    return set(run.summary.benchmark.seeds) & set(reference.summary.benchmark.seeds)


def _no_common_seed(run: Measured, reference: Measured) -> str:
    return "" if _seeds_of_both(run, reference) else "no seed in common"


def _exact(run: Measured, reference: Measured, first: ArrayDifference | None) -> list[Finding]:
    """Every value under the seeds that both have, by baseline and task; arrays if they alone differ."""
    rows = [*_rows(run, reference)]
    equal = all(one.verdict == "reproduced" for one in rows)
    return [*(_arrays(first) if equal and first else ()), *rows]


def _arrays(first: ArrayDifference) -> Iterable[Finding]:
    yield _finding(first.baseline or "preparation", "arrays", "drifted", f"no number differs, but {first.words}")


def _certified(run: Measured, reference: Measured) -> Iterable[Finding]:
    """The certificate's comparisons, where this run has computed it."""
    if run.repeated is None or reference.certificate is None:
        return
    for one in check(reference.certificate, run.repeated):
        verdict: Outcome = "missing" if one.deviation is None else "reproduced" if one.passed else "drifted"
        yield _finding(one.baseline, f"{one.job}: {one.what}", verdict, one.words)


def _rows(run: Measured, reference: Measured) -> Iterable[Finding]:
    seeds = _seeds_of_both(run, reference)
    if not seeds:
        raise ClbenchError("run and reference have no seed in common; the exact mode compares value by value")
    mine, theirs = _values(run.rows, seeds), _values(reference.rows, seeds)
    groups: dict[Group, list[Key]] = defaultdict(list)
    for key in theirs:
        groups[_group(key)].append(key)
    beyond = Counter(_group(key) for key in mine if key not in theirs)
    for group, keys in groups.items():
        yield _equal(group, keys, mine, theirs, beyond[group])


def _values(rows: Iterable[Row], seeds: set[int]) -> Values:
    kept = (row for row in rows if row.seed in seeds)
    return {tuple(getattr(row, column) for column in COLUMNS[:-1]): row.value for row in kept}


def _group(key: Key) -> Group:
    """Protocol, baseline and task of a measurement."""
    row = dict(zip(COLUMNS, key, strict=False))
    return str(row["protocol"]), str(row["baseline"]), str(row["task"])


def _equal(group: Group, keys: Sequence[Key], mine: Values, theirs: Values, beyond: int) -> Finding:
    protocol, name, task = group
    baseline = f"{TRANSFER} {name}" if protocol == "transfer" else name
    absent = [key for key in keys if key not in mine]
    if absent:
        reason = f"the run lacks {len(absent)} of {len(keys)} measurements"
        return _finding(baseline, task, "missing", reason)
    other = [key for key in keys if mine[key] != theirs[key]]
    if beyond:
        return _finding(baseline, task, "drifted", f"the run has {beyond} measurements that the reference lacks")
    if not other:
        return _finding(baseline, task, "reproduced", f"{len(keys)} measurements equal to the bit", 0.0)
    apart = [(mine[key] or 0.0) - (theirs[key] or 0.0) for key in other if key[-1] == "dice"]
    reason = f"{len(other)} of {len(keys)} measurements differ"
    return _finding(baseline, task, "drifted", reason, max(apart, key=abs, default=None))


def _finding(baseline: str, number: str, verdict: Outcome, reason: str, difference: float | None = None) -> Finding:
    return Finding(
        baseline=baseline, number=number, verdict=verdict, difference=difference, interval=None, reason=reason
    )


def _statistical(run: Measured, reference: Measured, margin: float) -> tuple[list[Finding], list[Described]]:
    """Verdicts on the primary end points and on what is missing, and all other numbers."""
    info, spread = reference.summary.benchmark, reference.spread
    mine, theirs = (endpoints(one.summary.benchmark, one.rows) for one in (run, reference))
    held = [number for number in numbers(mine, theirs) if differences(number.reference, number.reference)]
    holes = {number.name: _hole(number, run.summary.benchmark.seeds) for number in held}
    there = [number for number in held if not holes[number.name]]
    primary = primaries(info, theirs)
    first = [number for number in there if number.name in primary]
    missing = [_finding(*name, "missing", hole) for name, hole in holes.items() if hole]
    described = [describe(number, spread, continual(info)) for number in there if number not in first]
    return [*_judged(first, spread, margin), *missing], [one for one in described if one]


def _hole(number: Number, seeds: Iterable[int]) -> str:
    """What the run lacks of a number, under the seeds that it was run with; empty if nothing."""
    if not number.run:
        return "the run has no such result"
    whole = differences(number.reference, number.reference)
    lacking = sorted(whole.keys() & set(seeds) - differences(number.run, number.reference).keys())
    return f"the run lacks it under seed {', '.join(map(str, lacking))}" if lacking else ""


def _judged(found: Sequence[Number], spread: Spread | None, margin: float) -> list[Finding]:
    points = [_end_point(number, spread) for number in found]
    return [
        Finding(
            baseline=number.name[0], number=number.name[1], verdict=decision.verdict,
            difference=decision.difference, interval=decision.interval, reason=decision.reason,
        )
        for number, decision in zip(found, decide(points, margin), strict=True)
    ]  # fmt: skip


def _end_point(number: Number, spread: Spread | None) -> EndPoint:
    """The suite's mean needs many seeds, unless the reference says what chance does to it."""
    chance = spread.chance((number.name, *number.also)) if spread else None
    apart = tuple(differences(number.run, number.reference).values())
    return EndPoint(apart, chance, sequential=number.name == SUITE and chance is None)
