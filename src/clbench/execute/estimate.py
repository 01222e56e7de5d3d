"""How long a plan's jobs take together, from how long each one is expected to take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter

from clbench.plan import Job


def chains(jobs: Mapping[str, Job], seconds: Mapping[str, float]) -> dict[str, float]:
    """For each job, the seconds of the longest chain of jobs that begins with it.

    Args:
        jobs: the jobs to look at; parents that are not among them are done.
        seconds: what each of them still takes.
    """
    children = _children(jobs)
    longest: dict[str, float] = {}
    for job in TopologicalSorter(children).static_order():
        longest[job] = seconds[job] + max((longest[child] for child in children[job]), default=0.0)
    return longest


def seconds_left(jobs: Mapping[str, Job], seconds: Mapping[str, float], cores: int) -> float:
    """A lower bound that is close in practice: the longest chain, or all work spread over the cores."""
    if not jobs:
        return 0.0
    work = sum(seconds[job] * cores_used(jobs[job], cores) for job in jobs)
    return max(max(chains(jobs, seconds).values()), work / cores)


def cores_used(job: Job, cores: int) -> int:
    """A prepare job runs a pool of processes on all cores; a stage has one."""
    return cores if job.kind == "prepare" else 1


def descendants(jobs: Mapping[str, Job], roots: Iterable[str]) -> set[str]:
    """All jobs that need one of ``roots``, directly or not."""
    border, found = list(roots), set[str]()
    children = _children(jobs) if border else {}  # it is asked ten times a second, and nearly always of no root
    while border:
        new = children.get(border.pop(), set()) - found
        found |= new
        border.extend(new)
    return found


def _children(jobs: Mapping[str, Job]) -> dict[str, set[str]]:
    children: dict[str, set[str]] = {job: set() for job in jobs}
    for job in jobs.values():
        for parent in job.parents:
            if parent in children:
                children[parent].add(job.id)
    return children
