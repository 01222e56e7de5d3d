"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


def suite_option(command: F) -> F:
    """``--suite``, as often as wanted."""
    return click.option(
        "--suite", "suites", multiple=True, type=PATH, envvar="CLBENCH_SUITE", show_envvar=True, metavar="DIR",
        help="A folder with benchmark/, tasks/, baselines/ or methods/ of your own, in front of the shipped one.",
    )(command)  # fmt: skip


def trust_option(command: F) -> F:
    """``--trust``."""
    return click.option(
        "--trust", is_flag=True,
        help="Run the Python of the suites' methods.  [CLBENCH_TRUST names suites that need no --trust]",
    )(command)  # fmt: skip


def store_option(command: F) -> F:
    """``--store``."""
    return click.option(
        "--store", default=".clbench", show_default=True, type=PATH, envvar="CLBENCH_STORE", show_envvar=True,
        metavar="DIR", help="Where jobs keep what they made; shared by all benchmarks.",
    )(command)  # fmt: skip


def data_option(command: F) -> F:
    """``--data``."""
    return click.option(
        "--data", default=None, type=PATH, envvar="CLBENCH_DATA", show_envvar=True, metavar="DIR",
        help="Where datasets lie, and where downloads, prepared datasets and manifests are kept.  "
        "[default: .clbench/data]",
    )(command)  # fmt: skip


def out_option(command: F) -> F:
    """``--out``."""
    return click.option(
        "--out", default=None, type=PATH, metavar="DIR", help="The run's folder.  [default: reports/BENCHMARK]"
    )(command)


def json_option(command: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")(command)


def seeds_option(command: F) -> F:
    """``--seeds``."""
    return click.option(
        "--seeds", default="", metavar="0,1,…", callback=_seeds, help="Instead of the seeds that BENCHMARK lists."
    )(command)


def _seeds(_context: click.Context, _option: click.Parameter, text: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdigit() for word in words):
        raise click.BadParameter(f"{text!r} is no list of whole numbers such as 0,1,2")
    if len(set(words)) < len(words):
        raise click.BadParameter(f"{text!r} names a seed twice")
    return tuple(map(int, words))
