"""Writes the plans of benchmarks of the suite here: ``write_plans.py FOLDER NAME...``.

``FOLDER/NAME/plan.json``, all with the store ``FOLDER/store``; a process of its own, since a plan names the
arithmetic of the process that makes it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from clbench.plan.sealed import plan_bytes
from clbench.run import PLAN, Places
from clbench.store import write_atomic

SUITE = Path(__file__).parent / "suite"

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name in sys.argv[2:]:
        write_atomic(folder / name / PLAN, plan_bytes(Places((SUITE,), folder / "store").plan(name)))
