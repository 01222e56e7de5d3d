"""A job whose plan was damaged on its way says so in one line, where the run that started it reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clbench.job import main
from clbench.plan.sealed import plan_bytes


@pytest.mark.parametrize("damage", [b"", b"{}", b"bit"])
def test_a_job_of_a_damaged_plan_ends_with_one_line_that_names_it_and_the_plan(
    tiny_run: Any, tmp_path: Path, damage: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    plan, job, whole = tmp_path / "plan.json", tiny_run.plan.jobs[-1].id, plan_bytes(tiny_run.plan)
    plan.write_bytes(whole.replace(b'"epochs": 2', b'"epochs": 3', 1) if damage == b"bit" else damage)

    code = main(str(plan), job)

    said = capfd.readouterr().err
    assert code == 4
    assert said.startswith(f"{job}: error: {plan}")
    assert said.count("\n") == 1
