"""A definition becomes a graph of content-hashed jobs."""

from clbench.plan.records import Dataset, Job, Plan, PlanPolicy, PrepareSpec, StageSpec, Use

__all__ = ["Dataset", "Job", "Plan", "PlanPolicy", "PrepareSpec", "StageSpec", "Use"]
