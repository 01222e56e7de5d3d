"""`clbench pictures` where it can't draw what is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clbench.run import PLAN, Places


@pytest.fixture
def planned(planned_in: Any, tmp_path: Path) -> Path:
    """A run that is planned and not carried out; it keeps predictions."""
    (tmp_path / "benchmark").mkdir()
    text = "name: b\nversion: 1\ntitle: t\nextends: ci\npredictions: keep\n"
    (tmp_path / "benchmark" / "b.yaml").write_text(text)
    return planned_in(Places((tmp_path,), tmp_path / "store").plan("b"), "run")


def test_a_folder_without_a_run_is_named(call: Any) -> None:
    code, _, err = call("pictures", "nowhere")
    assert (code, "clbench run" in err) == (4, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing is measured yet"),
        (["--case", "liver_050"], "no task has a reported case 'liver_050'"),
        (["--task", "mini-heart"], "no task 'mini-heart' stage by stage; it has mini-liver"),
        (["--baseline", "joint"], "no baseline 'joint' stage by stage; it has finetune"),
        (["--seed", "7"], "no seed 7; it has 0"),
    ],
)
def test_what_the_run_does_not_have_is_refused_with_what_it_has(
    call: Any, planned: Path, words: list[str], said: str
) -> None:
    code, _, err = call("pictures", planned, *words)
    assert (code, said in err) == (2, True), err
    assert not (planned / "pictures").exists()


def test_a_run_that_keeps_no_predictions_says_what_to_write(call: Any, planned: Path) -> None:
    plan = (planned / PLAN).read_text()
    (planned / PLAN).write_text(plan.replace('"predictions":true', '"predictions":false'))
    code, _, err = call("pictures", planned)
    assert (code, "predictions: keep" in err) == (4, True)
