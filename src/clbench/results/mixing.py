"""Which runs have numbers that may stand side by side."""

from __future__ import annotations

from clbench.results.records import BenchmarkInfo


def apart(one: BenchmarkInfo, other: BenchmarkInfo) -> str:
    """Why the numbers of two runs must not be mixed; empty if nothing speaks against it.

    Versions of one definition, a definition and one that extends and shrinks it, two that shrink the same one, and
    models that were chosen by the reported cases beside models that were not.
    """
    if one.name == other.name and one.version != other.version:
        low, high = sorted((one.version, other.version))
        return f"numbers of version {low} and version {high} of {one.name} mean different things"
    if one.subset_of and _shrinks_the_same(one, other):
        return f"{one.name} v{one.version} is {one.subset_of.words}"
    if other.subset_of and _shrinks_the_same(other, one):
        return f"{other.name} v{other.version} is {other.subset_of.words}"
    if one.as_original != other.as_original:
        marked = one if one.as_original else other
        return f"{marked.name} v{marked.version} is AS-ORIGINAL: its models were chosen by the reported cases"
    return ""


def _shrinks_the_same(subset: BenchmarkInfo, other: BenchmarkInfo) -> bool:
    """Whether the other is the larger one, or is another subset of it; an older summary may lack the mark."""
    assert subset.subset_of is not None
    if subset.name == other.name:
        return other.subset_of is not None and other.subset_of != subset.subset_of
    return subset.subset_of.name in (other.name, other.subset_of and other.subset_of.name)
