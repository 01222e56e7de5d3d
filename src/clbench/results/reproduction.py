"""Whether a run reproduces a reference: to the bit where that can be asked, within a margin where it can't."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import computed_field

from clbench.errors import ClbenchError
from clbench.results.gate import Sample, non_inferior
from clbench.results.matrix import case_dice, diagonal
from clbench.results.mixing import apart
from clbench.results.model import Summary
from clbench.results.records import STAGED, BenchmarkInfo
from clbench.results.rows import COLUMNS, Row
from clbench.results.scores import ByReplicate, by_place, by_replicate
from clbench.results.stat import Interval, Model
from clbench.results.transfer import by_setting

Outcome = Literal["reproduced", "drifted", "inconclusive", "missing"]
Key = tuple[object, ...]
Cells = Mapping[tuple[int, int, str], Mapping[str, float]]
"""Seed, order and task → case → value."""

Group = tuple[str, str, str]
Values = Mapping[Key, float | None]
"""What was measured, by everything that says what it is."""

END, OWN, TRANSFER = "at the end", "after its stage", "transfer from"


@dataclass(frozen=True)
class Measured:
    """A run, or what was kept of one."""

    summary: Summary
    rows: tuple[Row, ...]


class Finding(Model):
    """What became of one of the reference's numbers."""

    baseline: str
    """Whose it is."""
    number: str
    """Which: a task and when, or a summary over all tasks."""
    verdict: Outcome
    """What became of it."""
    difference: float | None
    """Run less reference; None where nothing could be compared."""
    interval: Interval | None
    """One-sided 95 % bounds of it; None where no interval can be given."""
    reason: str
    """One sentence."""


class Reproduction(Model):
    """A run held against a reference."""

    benchmark: str
    """What both ran."""
    version: int
    """Its version."""
    mode: Literal["exact", "statistical"]
    """To the bit, or within the margin."""
    why: str
    """Why in this mode."""
    margin: float
    """The fall that still counts as reproduced in the statistical mode."""
    findings: tuple[Finding, ...]
    """By baseline in the reference's order: every task, then the summaries; transfer last."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def counts(self) -> dict[str, int]:
        """How often each verdict was found."""
        return Counter(finding.verdict for finding in self.findings)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> Outcome:
        """The worst of the findings; a single number can be inconclusive beside many that are reproduced."""
        order: tuple[Outcome, ...] = ("drifted", "missing", "inconclusive")
        return next((worst for worst in order if self.counts[worst]), "reproduced")


def reproduction(
    run: Measured, reference: Measured, margin: float, mode: Literal["exact", "statistical"] | None = None
) -> Reproduction:
    """Hold a run against a reference.

    Args:
        run: the run.
        reference: what it should have come out as.
        margin: how much lower a number may be in the statistical mode.
        mode: left out, exact where both come from the same versions on the same type of processor.

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
    chosen: Literal["exact", "statistical"] = mode or ("statistical" if obstacle else "exact")
    asked = "it was asked for" if mode else obstacle or "same versions, same type of processor"
    found = _exact(run, reference) if chosen == "exact" else _statistical(run, reference, margin)
    return Reproduction(
        benchmark=mine.name, version=mine.version, mode=chosen, why=asked, margin=margin, findings=tuple(found)
    )


def _because(mine: BenchmarkInfo, theirs: BenchmarkInfo) -> str:
    reason = apart(mine, theirs) if mine.name != theirs.name else ""
    return f" ({reason})" if reason else ""


def not_exact(run: Mapping[str, Any], reference: Mapping[str, Any]) -> str:
    """Why equal bits can't be asked for, by two provenances; empty if they can."""
    here, there = run.get("libraries", {}), reference.get("libraries", {})
    if other := sorted(name for name in {*here, *there} if here.get(name) != there.get(name)):
        return f"other versions of {', '.join(other)}"
    machines = run.get("machine", {}), reference.get("machine", {})
    if machines[0].get("accelerators") or machines[1].get("accelerators"):
        return "an accelerator does not give the same bits twice"
    for part in ("processor", "instructions"):
        if machines[0].get(part) != machines[1].get(part):
            return f"another processor ({machines[0].get(part)} instead of {machines[1].get(part)})"
    return ""


def _seeds_of_both(run: Measured, reference: Measured) -> set[int]:
    return set(run.summary.benchmark.seeds) & set(reference.summary.benchmark.seeds)


def _no_common_seed(run: Measured, reference: Measured) -> str:
    return "" if _seeds_of_both(run, reference) else "no seed in common"


def _exact(run: Measured, reference: Measured) -> Iterable[Finding]:
    """Every value under the seeds that both have, by baseline and task."""
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


def _statistical(run: Measured, reference: Measured, margin: float) -> Iterable[Finding]:
    """Every baseline's tasks at the end and after their stage, ACC, LA and BWT, and the ends of transfer."""
    mine, theirs = samples(run), samples(reference)
    for (baseline, number), sample in theirs.items():
        if (baseline, number) not in mine:
            yield _finding(baseline, number, "missing", "the run has no such result")
            continue
        judged = non_inferior(mine[baseline, number], sample, margin)
        yield Finding(
            baseline=baseline, number=number, verdict=judged.verdict, difference=judged.difference,
            interval=judged.interval, reason=judged.reason,
        )  # fmt: skip


def samples(measured: Measured) -> dict[tuple[str, str], Sample]:
    """What can be held against a reference: baseline and number → its values by seed, task and case."""
    info, places = measured.summary.benchmark, by_place(measured.rows)
    found: dict[tuple[str, str], Sample] = {}
    for entry in info.baselines:
        numbers = _numbers(by_replicate(info, entry, places), staged=entry.protocol in STAGED)
        found |= {(entry.name, number): sample for number, sample in numbers.items() if sample}
    return found | _transfers(measured)


def _transfers(measured: Measured) -> dict[tuple[str, str], Sample]:
    """Every learning curve on a held-out task at its last epoch; a seed that stops before it has no value."""
    settings = by_setting(measured.rows, measured.summary.benchmark.targets)
    found: dict[tuple[str, str], Sample] = {}
    for (target, fraction), curves in sorted(settings.items()):
        number = f"{target} {END}" + ("" if fraction == 1 else f", {100 * fraction:.6g}% of the cases")
        for name in dict.fromkeys(name for name, _ in sorted(curves)):
            by_seed = {seed: curve for (other, seed), curve in sorted(curves.items()) if other == name}
            last = max(epoch for curve in by_seed.values() for epoch in curve)
            ends = {seed: {target: case_dice(curve[last])} for seed, curve in by_seed.items() if last in curve}
            found[f"{TRANSFER} {name}", number] = ends
    return found


def _numbers(scores: ByReplicate, staged: bool) -> dict[str, Sample]:
    """The numbers of one baseline; ``staged`` if it learns one task after another."""
    end = _cells(scores, lambda matrix: matrix[-1])
    found = {f"{task} {END}": _only(end, task) for task in _tasks(end)} | {"ACC": _by_seed(end)}
    if not staged:
        return found
    own, early = _cells(scores, diagonal), _cells(scores, lambda matrix: diagonal(matrix)[:-1])
    found |= {f"{task} {OWN}": _only(own, task) for task in _tasks(own)}
    return {**found, "LA": _by_seed(own), "BWT": _by_seed(_changes(end, early))}


def _cells(scores: ByReplicate, line: Callable[[Sequence[Any]], Sequence[Any]]) -> Cells:
    """Dice of each case by seed, order and task, from one line of the matrix; what was not measured is left out."""
    return {
        (pair.seed, pair.order, task): cases
        for pair, one in scores.items()
        for task, cases, undefined in zip(one.tasks, line(one.cases), line(one.excluded), strict=False)
        if cases or undefined
    }


def _tasks(cells: Cells) -> list[str]:
    return list(dict.fromkeys(task for _, _, task in cells))


def _only(cells: Cells, task: str) -> Sample:
    return _by_seed({key: cases for key, cases in cells.items() if key[2] == task})


def _changes(end: Cells, early: Cells) -> Cells:
    """What every case of an earlier task gained or, negative, lost since its own stage."""
    return {
        key: {case: value - early[key][case] for case, value in end[key].items() if case in early[key]}
        for key in early
        if key in end
    }


def _by_seed(cells: Cells) -> Sample:
    """The orders of one seed averaged, for they share its chance."""
    found: dict[int, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for (seed, _, task), cases in cells.items():
        for case, value in cases.items():
            found[seed][task][case].append(value)
    return {
        seed: {task: {case: sum(v) / len(v) for case, v in cases.items()} for task, cases in by_task.items()}
        for seed, by_task in found.items()
    }
