"""Whose plan a benchmark's tasks share, as its definition says it."""

from __future__ import annotations

from clbench.definitions.models import PlansFrom, Resolved
from clbench.definitions.plans_file import read_plans
from clbench.plan.records import PlanPolicy


def plan_policy(resolved: Resolved) -> PlanPolicy:
    """The policy with its task's name or its file's content; equal choices become equal policies."""
    benchmark = resolved.benchmark
    plans, transfer = benchmark.backbone.plans, benchmark.protocols.transfer
    if resolved.files.plans is not None:
        return PlanPolicy(rule="file", document=read_plans(resolved.files.plans))
    if isinstance(plans, PlansFrom):
        return PlanPolicy(rule="own", task=str(plans.target))
    if plans == "target":
        assert transfer is not None, "a definition without a target is refused when it is resolved"
        return PlanPolicy(rule="own", task=transfer.targets[0])
    if plans == "first":
        return PlanPolicy(rule="own", task=benchmark.sequence[0])
    return PlanPolicy(rule=plans)
