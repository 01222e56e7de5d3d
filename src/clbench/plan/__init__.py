"""A definition becomes a graph of content-hashed jobs."""

from clbench.plan.records import Dataset, Job, Plan, PrepareSpec, StageSpec, Use

__all__ = ["Dataset", "Job", "Plan", "PrepareSpec", "StageSpec", "Use"]
