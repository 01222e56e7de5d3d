"""The arithmetic is part of every job's id: portable results are shared, others never taken for them."""

from __future__ import annotations

from pathlib import Path

from clbench.definitions.catalogue import Catalogue
from clbench.definitions.resolve import resolve
from clbench.plan import Plan
from clbench.plan.expand import make_plan
from clbench.plan.jobs import Arithmetics

PORTABLE = Arithmetics("x86-64-v3", "x86-64-v3")


def planned(arithmetic: Arithmetics) -> Plan:
    return make_plan(resolve("ci", Catalogue.open()), Path("/nowhere"), {}, arithmetic)


def ids(plan: Plan) -> set[str]:
    return {job.id for job in plan.jobs}


def test_equal_arithmetic_gives_equal_ids_whatever_the_machine() -> None:
    assert ids(planned(PORTABLE)) == ids(planned(PORTABLE))


def test_native_arithmetic_shares_no_job_with_portable_or_that_of_another_type() -> None:
    native = ("native: GenuineIntel 6/106/6", "native: AuthenticAMD 25/17/1")
    plans = [PORTABLE, *(Arithmetics(name, name) for name in native)]
    shared = set.intersection(*(ids(planned(one)) for one in plans))
    assert not shared
    assert len(set.union(*(ids(planned(one)) for one in plans))) == 3 * len(planned(PORTABLE).jobs)


def test_stages_on_cuda_share_the_preparation_alone() -> None:
    portable, cuda = planned(PORTABLE), planned(Arithmetics("x86-64-v3", "cuda"))
    assert ids(portable) & ids(cuda) == {portable.preparation.id}
    assert {job.arithmetic for job in cuda.jobs if job.kind == "stage"} == {"cuda"}
