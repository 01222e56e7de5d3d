"""test-method: names and scenarios it takes, what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CLAIMING = '''
from clbench.methods.base import Method


class Claiming(Method):
    """Claiming: says that it does something."""

    scenarios = ("domain-incremental",)

    def effect(self):
        return 1.0
'''


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ewd"], "there is no baseline or method 'ewd'; did you mean 'ewc'?"),
        (["head-only", "--scenario", "class-incremental"], "method head_only is not defined for class-incremental"),
        (["ewc", "--scenario", "class"], "'class' is not one of"),
        (["ewc", "--suite", "nowhere"], "nowhere: there is no such folder"),
    ],
)
def test_what_can_not_be_tested_is_refused_with_2(call: Any, words: list[str], said: str) -> None:
    code, out, err = call("test-method", *words)

    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.slow
def test_a_method_that_keeps_everything_ends_with_0_and_json_has_a_line_for_each_check(
    call: Any, tmp_path: Path
) -> None:
    code, out, _ = call(
        "test-method", "finetune", "--scenario", "domain-incremental", "--json", "--keep", tmp_path / "kept"
    )

    lines = json.loads(out)
    assert code == 0
    assert {line["scenario"] for line in lines} == {"domain-incremental"}
    assert {line["outcome"] for line in lines} == {"pass", "not claimed"}
    assert list((tmp_path / "kept").rglob("checkpoint_final.pth"))


@pytest.mark.slow
def test_a_method_that_breaks_a_promise_ends_with_3_and_says_which_in_its_own_scenario(
    call: Any, tmp_path: Path
) -> None:
    (tmp_path / "suite" / "methods").mkdir(parents=True)
    (tmp_path / "suite" / "methods" / "claiming.py").write_text(CLAIMING)

    code, out, _ = call("test-method", "claiming", "--suite", tmp_path / "suite", "--trust")

    assert code == 3
    (wrong,) = (line for line in out.splitlines() if line.startswith("FAIL"))
    assert wrong.split()[1] == "domain"
    assert "acts and proves it: method claiming: it claims effects up to 1, yet its weights are finetune's" in wrong
    assert out.splitlines()[-1] == "claiming: 1 of 11 checks failed or were not reached"
    assert list(tmp_path.iterdir()) == [tmp_path / "suite"], "nothing is left behind"
