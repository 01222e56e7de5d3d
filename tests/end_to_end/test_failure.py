"""A method that raises costs its own results and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

METHOD = '''"""Fails."""

from __future__ import annotations

from clbench.methods.base import Context, Method


class Broken(Method):
    """Raises when the second stage begins."""

    def begin_stage(self, context: Context) -> None:
        """Say something, then fail."""
        if context.earlier:
            print("looking for", *context.earlier)
            raise RuntimeError("there is nothing to protect")
'''
STAGE = "broken · stage 2 · mini-spleen · seed 0"
REASON = "error: method broken, begin_stage: RuntimeError: there is nothing to protect"
CARD = "name: broken\nversion: 1\ntitle: Fails in its second stage\nmethod: broken\n"


@pytest.fixture(scope="module")
def failed(undisturbed: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """A run with the broken method, and l2 that is not cached; gives the program and what it said."""
    program = undisturbed.program_in(tmp_path_factory.mktemp("failed"))
    shutil.copytree(undisturbed.store, program.folder / ".clbench")
    suite = Path(shutil.copytree(undisturbed.suite, program.folder / "suite"))
    for name, text in {"methods/broken.py": METHOD, "baselines/broken.yaml": CARD}.items():
        (suite / name).parent.mkdir()
        (suite / name).write_text(text)
    small = (suite / "benchmark" / "small.yaml").read_text()
    text = small.replace("name: small", "name: breaks").replace("[finetune, ewc, replay]", "[finetune, broken, l2]")
    (suite / "benchmark" / "breaks.yaml").write_text(text)
    return program, program("run", "breaks", "--suite", suite, "--trust")


def test_a_failing_job_ends_the_run_with_3_after_all_others_are_done(failed: tuple[Any, Any]) -> None:
    program, said = failed

    assert said.code == 3
    status = json.loads(program("status", "reports/breaks", "--json").out)
    assert [job.partition("-s0-")[0] for job in status["left"]] == [
        "stage2-mini-spleen-broken", "stage3-mini-kidney-broken",
    ]  # fmt: skip
    assert status["begun"] == status["left"][:1]
    assert {"stage2-mini-spleen-l2", "stage3-mini-kidney-l2"} <= {job.partition("-s0-")[0] for job in status["done"]}


def test_the_failure_is_told_at_once_by_the_jobs_own_last_lines_and_again_in_short_at_the_end(
    failed: tuple[Any, Any],
) -> None:
    lines = failed[1].err.splitlines()
    log = next((failed[0].folder / ".clbench" / "jobs").glob("stage2-mini-spleen-broken-*/log.txt"))

    at_once = next(n for n, line in enumerate(lines) if f"{STAGE}  failed after" in line)
    end = lines.index(f"failed: {STAGE}")
    shown = lines[at_once + 1 : lines.index(f"    log: {log}")]
    assert [line.strip() for line in shown] == [line.strip() for line in log.read_text().splitlines()[-len(shown) :]]
    assert len(shown) == min(15, len(log.read_text().splitlines()))
    assert any("broken.py" in line for line in shown)
    assert lines[end + 1 :] == [
        f"    {REASON}",
        f"    log: {log}",
        "1 failed, 1 not tried because they need what failed; the same command tries again",
    ]


def test_the_report_shows_the_holes_with_their_reasons(failed: tuple[Any, Any]) -> None:
    program, said = failed

    page = (program.folder / "reports" / "breaks" / "report.md").read_text()
    assert f"ended with: {REASON}" in page, "the terminal wraps it"
    for text in (said.out, page):
        table = text.partition("Missing results")[2]
        lines = [" ".join(line.replace("|", " ").split()) for line in table.splitlines()]
        second, third = [line for line in lines if line.startswith("continual ")]
        assert second.startswith(f"continual broken 0 2 mini-spleen ended with: {REASON[:60]}")
        assert third == f"continual broken 0 3 mini-kidney needs {STAGE}"
    final = next(line for line in said.out.splitlines() if line.startswith("broken "))
    assert final.split()[1:] == ["–"] * 6
    assert all("–" not in line for line in said.out.splitlines() if line.startswith(("finetune ", "l2 ")))


def test_status_names_the_failed_job_with_its_last_line(failed: tuple[Any, Any]) -> None:
    said = failed[0]("status", "reports/breaks")

    assert said.code == 0
    assert f"begun, not finished: {STAGE}\n    {REASON}\n    log: " in said.out


def test_once_the_method_is_mended_only_its_own_jobs_are_done(failed: tuple[Any, Any]) -> None:
    program, _ = failed
    method = program.folder / "suite" / "methods" / "broken.py"
    method.write_text(METHOD.replace('raise RuntimeError("there is nothing to protect")', "self.notes"))

    said = program("run", "breaks", "--suite", "suite", "--trust", "--out", "mended")

    assert said.code == 0, said.err
    assert said.err.startswith("2 of 10 jobs to do, 8 cached")
    assert "–" not in said.out
