"""What must hold of two runs, and of one for that to mean something."""

from __future__ import annotations

from clbench.processor import processor
from portability.digests import differences
from portability.emulator import VENDORS
from portability.runs import Run

ARRAYS = (".pth:", ".b2nd:", ".npz:", ".nii:", ".nii.gz:")


def assert_emulation_gives_the_same_bits(native: Run, emulated: Run) -> str:
    """As ``assert_same_bits``, and see that the emulated processor was the one that was asked for."""
    assert emulated.vendor == VENDORS[emulated.folder.name]
    assert native.vendor == processor().type.split()[0]
    return f"{emulated.folder.name} ({emulated.vendor}) and {native.vendor}: {assert_same_bits(native, emulated)}"


def assert_same_bits(one: Run, other: Run) -> str:
    """Fail with the first place that differs.

    Returns:
        What was compared, in words.
    """
    differ = differences(one.digests, other.digests)
    assert not differ, f"{len(differ)} of {len(one.digests)} differ, the first is: {differ[0]}"
    assert one.fingerprints == other.fingerprints, "a case's fingerprint differs"
    for name, (table, rows) in one.reports.items():
        assert other.reports[name][1] == rows, f"{name}: rows.csv differs"
        assert other.reports[name][0] == table, f"{name}: the printed tables differ"
    return _compared(one)


def assert_alive(run: Run) -> None:
    """Fail if a method had no effect, or if no network predicts anything: equal rows would then show little."""
    inert = [title for title, result in run.results.items() if result["evidence"]["inert"]]
    assert not inert, f"without effect: {inert}"
    measured = [one for result in run.results.values() for one in result["measurements"] if one["metric"] == "dice"]
    assert len({one["value"] for one in measured if one["value"]}) > len(measured) / 2, "most Dice are 0 or the same"


def _compared(run: Run) -> str:
    files = {place.rsplit(": ", 1)[0] for place in run.digests}
    arrays = sum(any(ending in place for ending in ARRAYS) for place in run.digests)
    rows = sum(rows.count(b"\n") - 1 for _, rows in run.reports.values())
    return (
        f"{sum(len(plan.jobs) for plan in run.plans.values())} jobs, {len(files)} files with {arrays} arrays and "
        f"numbers of checkpoints and {len(run.digests) - arrays} other values, {rows} rows: all equal"
    )
