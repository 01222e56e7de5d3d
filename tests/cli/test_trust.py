"""The Python of a suite runs where the user says that it is trusted, and nowhere else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

METHOD = '''"""Leaves a trace."""

from pathlib import Path

from clbench.methods.base import Method

Path(__file__).with_suffix(".trace").touch()


class Tracing(Method):
    """Fine-tuning that leaves a trace when it is imported."""
'''
CARD = "name: tracing\nversion: 1\ntitle: Leaves a trace\nmethod: tracing\n"
BENCHMARK = """
name: traced
version: 1
title: With a method of the suite's own
extends: ci
protocols:
  continual: {baselines: [finetune, tracing]}
"""
WORDS = {
    "run": ("run", "traced"),
    "reproduce": ("reproduce", "traced"),
    "test-method, a baseline": ("test-method", "tracing"),
}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite with a method, a baseline and a benchmark."""
    texts = {"methods/tracing.py": METHOD, "baselines/tracing.yaml": CARD, "benchmark/traced.yaml": BENCHMARK}
    for name, text in texts.items():
        (tmp_path / "suite" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "suite" / name).write_text(text)
    return tmp_path / "suite"


def _ran(suite: Path) -> bool:
    return any(suite.rglob("*.trace"))


def test_what_only_looks_at_a_suite_runs_nothing_of_it_and_plan_says_that_run_would(call: Any, suite: Path) -> None:
    for words in (["list"], ["validate"], ["show", "tracing"], ["plan", "traced"], ["data", "list"]):
        code, out, err = call(*words, "--suite", suite)
        assert code == 0, err
    code, out, _ = call("plan", "traced", "--suite", suite)

    assert f"runs Python of {suite}/methods/tracing.py: `clbench run` needs --trust" in out.splitlines()
    assert not _ran(suite)


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_what_would_run_it_is_refused_with_one_line_that_says_what_to_add(
    call: Any, suite: Path, words: tuple[str, ...]
) -> None:
    code, out, err = call(*words, "--suite", suite)

    assert (code, out) == (2, "")
    assert err.splitlines() == [
        f"error: {suite}/methods/tracing.py: Python of a suite, which would be run with your rights; if you trust "
        f"it, add --trust (or for good: export CLBENCH_TRUST={suite})"
    ]
    assert not _ran(suite)
    assert not (suite.parent / "reports").exists(), "nothing was begun"
    assert not (suite.parent / ".clbench").exists(), "nothing was begun"


def test_a_job_of_a_strangers_plan_is_refused_and_trust_in_its_plan_counts_for_nothing(
    call: Any, suite: Path, tmp_path: Path
) -> None:
    plan = json.loads(call("plan", "traced", "--suite", suite, "--json")[1])
    job = next(job for job in plan["jobs"] if job["method_file"] == str(suite / "methods/tracing.py"))
    jobs = [{key: value for key, value in job.items() if key not in ("cached", "cost")} for job in plan["jobs"]]
    (tmp_path / "plan.json").write_text(json.dumps({"jobs": jobs, "store": str(tmp_path / "store")}))

    code, _, err = call("job", "plan.json", job["id"])

    assert code == 2
    assert "add --trust" in err
    assert not _ran(suite)
    assert not (tmp_path / "store").exists()


def test_a_suite_that_hides_a_shipped_method_is_not_taken_for_the_shipped_one(call: Any, suite: Path) -> None:
    (suite / "methods/tracing.py").rename(suite / "methods/finetune.py")

    code, _, err = call("test-method", "finetune", "--suite", suite)

    assert code == 2
    assert f"{suite}/methods/finetune.py: Python of a suite" in err
    assert not _ran(suite)


def test_shipped_methods_and_a_suite_without_python_need_no_trust(call: Any, suite: Path) -> None:
    (suite / "methods/tracing.py").unlink()
    (suite / "baselines/tracing.yaml").write_text(CARD.replace("method: tracing", "method: finetune"))

    code, out, _ = call("plan", "traced", "--suite", suite)

    assert code == 0
    assert "trust" not in out


@pytest.mark.parametrize("trusting", ["flag", "environment"])
def test_trusted_python_is_run(call: Any, suite: Path, monkeypatch: pytest.MonkeyPatch, trusting: str) -> None:
    words = ["--trust"] if trusting == "flag" else []
    if trusting == "environment":
        monkeypatch.setenv("CLBENCH_TRUST", os.pathsep.join(("/elsewhere", str(suite))))

    call("test-method", "tracing", "--suite", suite, "--scenario", "domain-incremental", *words)

    assert _ran(suite)


def test_a_link_in_a_trusted_suite_leads_to_nothing_that_is_trusted(
    call: Any, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLBENCH_TRUST", str(suite))
    outside = suite.parent / "outside.py"
    (suite / "methods/tracing.py").rename(outside)
    (suite / "methods/tracing.py").symlink_to(outside)

    code, _, err = call("test-method", "tracing", "--suite", suite)

    assert code == 2
    assert f"{outside}: Python of a suite" in err
    assert not outside.with_suffix(".trace").exists()


def test_trust_in_a_relative_path_is_refused_since_it_would_mean_another_folder_elsewhere(
    call: Any, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLBENCH_TRUST", "suite")

    code, _, err = call("test-method", "tracing", "--suite", suite)

    assert code == 2
    assert f"CLBENCH_TRUST: suite is a relative path; write {suite} if you mean that" in err
    assert not _ran(suite)


@pytest.mark.parametrize("kind", ["method", "baseline"])
def test_new_says_the_trust_that_testing_what_it_wrote_takes(call: Any, suite: Path, kind: str) -> None:
    more = ["--method", "tracing"] if kind == "baseline" else []
    code, out, err = call("new", kind, "mine", "--suite", suite, *more)

    assert code == 0, err
    assert f"clbench test-method mine --suite {suite} --trust" in out
