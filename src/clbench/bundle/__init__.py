"""A run in one file that others repeat: its definition, what it measured, and on what; no images, no weights."""

from clbench.bundle.contents import bundle_of
from clbench.bundle.reading import Bundle, read_bundle
from clbench.bundle.rerun import differences, expectation, rerun_plan

__all__ = ["Bundle", "bundle_of", "differences", "expectation", "read_bundle", "rerun_plan"]
