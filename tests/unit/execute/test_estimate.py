"""How long jobs take together, for any graph."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clbench.execute.estimate import chains, descendants, seconds_left
from clbench.plan import Job


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Job]:
    """Up to eight jobs; each needs some of those before it, and perhaps one that is done already."""
    jobs: dict[str, Job] = {}
    for number in range(draw(st.integers(1, 8))):
        parents = draw(st.sets(st.sampled_from(["done", *jobs])))
        kind = draw(st.sampled_from(["prepare", "stage"]))
        seconds = float(draw(st.integers(0, 100)))
        jobs[f"{number}"] = Job(
            id=f"{number}", kind=kind, parents=tuple(sorted(parents)), title="", seconds=seconds, spec={},
            evaluation="",
        )  # fmt: skip
    return jobs


def _seconds(jobs: dict[str, Job]) -> dict[str, float]:
    return {id: job.seconds for id, job in jobs.items()}


@given(graphs())
def test_a_chain_is_as_long_as_its_first_job_and_its_longest_continuation(jobs: dict[str, Job]) -> None:
    longest = chains(jobs, _seconds(jobs))

    for job in jobs.values():
        behind = [longest[child.id] for child in jobs.values() if job.id in child.parents]
        assert longest[job.id] == job.seconds + max(behind, default=0)


@given(graphs(), st.integers(1, 4))
def test_the_time_left_lies_between_the_longest_chain_and_doing_all_in_a_row(
    jobs: dict[str, Job], cores: int
) -> None:
    seconds = _seconds(jobs)

    left = seconds_left(jobs, seconds, cores)

    assert max(chains(jobs, seconds).values()) <= left <= sum(seconds.values()) + 1e-9


def test_two_stages_on_two_cores_take_as_long_as_one_but_two_preparations_do_not() -> None:
    stages = {id: Job(id=id, kind="stage", parents=(), title="", seconds=6, spec={}, evaluation="") for id in "ab"}
    preparations = {id: job.model_copy(update={"kind": "prepare"}) for id, job in stages.items()}

    assert seconds_left(stages, {"a": 6, "b": 6}, 2) == 6
    assert seconds_left(preparations, {"a": 6, "b": 6}, 2) == 12


@given(graphs(), st.data())
def test_descendants_are_the_jobs_that_reach_a_root_through_their_parents(
    jobs: dict[str, Job], data: st.DataObject
) -> None:
    roots = data.draw(st.sets(st.sampled_from(sorted(jobs))))
    reached: set[str] = set()
    for job in jobs.values():  # parents come first
        if roots & set(job.parents) or reached & set(job.parents):
            reached.add(job.id)

    assert descendants(jobs, roots) == reached
