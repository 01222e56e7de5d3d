"""What the first look at the program costs and says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clbench.cli import COMMANDS

HEAVY = {"torch", "nnunetv2", "monai", "snakemake"}


def _imported(folder: Path, *words: str) -> set[str]:
    """Top-level modules that a command imports, as the interpreter itself tells."""
    command = [sys.executable, "-X", "importtime", "-m", "clbench", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def test_help_imports_neither_torch_nor_numpy_nor_a_definition_model(tmp_path: Path) -> None:
    imported = _imported(tmp_path, "--help")

    assert {"click", "clbench"} <= imported, "the listing was read"
    assert not imported & (HEAVY | {"numpy", "scipy", "pandas", "pydantic", "rich", "yaml"})


@pytest.mark.parametrize("words", [["list"], ["show", "ewc"], ["validate"], ["plan", "seven-organs"]])
def test_commands_that_only_read_definitions_import_no_torch(tmp_path: Path, words: list[str]) -> None:
    imported = _imported(tmp_path, *words)

    assert {"clbench", "click"} <= imported
    assert not imported & HEAVY


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_help_screen_explains_itself(call: Any, name: str) -> None:
    assert name in call("--help")[1]

    code, said, _ = call(name, "--help")

    assert code == 0
    assert f" {name} [OPTIONS]" in said.splitlines()[0]


def test_the_version_is_the_packages(call: Any) -> None:
    from importlib.metadata import version

    assert call("--version")[1] == f"clbench, version {version('clbench')}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rum"], "No such command 'rum'"),
        (["run"], "Missing argument 'BENCHMARK'"),
        (["run", "ci", "--jobs", "0"], "0 is not in the range x>=1"),
        (["list", "--jsn"], "No such option"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(call: Any, words: list[str], said: str) -> None:
    code, out, err = call(*words)

    assert (code, out) == (2, "")
    assert said in err
