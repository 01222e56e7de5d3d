"""A definition becomes a graph of content-hashed jobs."""

from clbench.plan.records import Job, Plan, PlanPolicy, PrepareSpec, StageSpec, Use

__all__ = ["Job", "Plan", "PlanPolicy", "PrepareSpec", "StageSpec", "Use"]
