"""Processes that end with the one that started them."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends them")


def test_a_process_whose_parent_ended_before_it_could_be_bound_to_it_ends() -> None:
    parent = subprocess.Popen(["true"])
    parent.wait()
    code = f"from clbench.execute.lifetime import die_with_parent; die_with_parent({parent.pid}); print('lives')"

    orphan = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (orphan.returncode, orphan.stdout, orphan.stderr) == (1, "", "")
