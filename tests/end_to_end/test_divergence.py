"""A strength that makes training diverge ends the run with its reason, and costs its own results alone."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

REASON = re.compile(
    r"error: training diverged in epoch 1 of 2 \(loss \S+, rate \S+\); .*"
    r"penalty \d\.?\d*e\+\d+; its gradient is stable while .* it is \d\.?\d*e\+\d+ times that"
)


@pytest.fixture(scope="module")
def diverged(undisturbed: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """A run with a strength that diverges beside two baselines that do not; the program and what it said."""
    program = undisturbed.program_in(tmp_path_factory.mktemp("diverged"))
    shutil.copytree(undisturbed.store, program.folder / ".clbench")
    suite = Path(shutil.copytree(undisturbed.suite, program.folder / "suite"))
    text = (suite / "benchmark" / "small.yaml").read_text().replace("name: small", "name: diverges")
    baselines = "[finetune, ewc, ewc: {strength: 1.0e+9, update: gradient}]"
    (suite / "benchmark" / "diverges.yaml").write_text(text.replace("[finetune, ewc, replay]", baselines))
    return program, program("run", "diverges", "--suite", suite)


def test_the_run_ends_with_3_and_says_epoch_penalty_and_stability_bound(diverged: tuple[Any, Any]) -> None:
    _, said = diverged

    assert said.code == 3
    assert REASON.search(said.err)
    assert "Traceback" not in said.err


def test_the_report_lists_the_reason_among_the_missing_results_and_has_no_number_in_their_place(
    diverged: tuple[Any, Any],
) -> None:
    program, _ = diverged

    report = (program.folder / "reports" / "diverges" / "report.md").read_text()
    missing = report.partition("Missing results")[2]
    assert REASON.search(missing)
    assert not re.search(r"\bnan\b", report, re.IGNORECASE)
    rows = [line for line in report.splitlines() if line.startswith("| ewc[")]
    assert any("–" in row for row in rows)
    assert not any("–" in line for line in report.splitlines() if line.startswith("| finetune "))
