"""The command line called in this process: as fast as a function, with the exit codes of the program."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clbench.cli import main
from clbench.plan import Plan
from clbench.run import PLAN

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Call ``clbench`` with words in an empty folder; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("CLBENCH_")]:
        monkeypatch.delenv(name)

    def called(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["clbench", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capfd.readouterr()
        code = end.value.code
        assert isinstance(code, int)
        return code, out, err

    return called


@pytest.fixture
def planned_in(tmp_path: Path) -> Callable[[Plan, str], Path]:
    """Lay the plan of a run that was not carried out into a folder of a name."""

    def laid(plan: Plan, name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / PLAN).write_text(plan.model_dump_json())
        return folder

    return laid
