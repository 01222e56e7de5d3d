"""What several timings need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.fixture
def modules_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's processes can import what does a job in the place of ``clbench.job``."""
    known = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(known))
